"""`detect_deletes`: deletions that no feed tells of."""

from __future__ import annotations

import random

import pytest

from bigin_client.errors import SettingsError
from tap_bigin.missing import decode, encode

NOTES = {"modules": ["Notes"], "detect_deletes": {"Notes": "full"}}


def pick(run_tap, number):
    return sorted(r["id"] for r in run_tap.sim.store.records("Notes"))[number]


def gone(run, mode="stream"):
    if mode == "rows":
        return {r["id"] for r in run.records["Notes"] if r["_sdc_deleted_at"]}
    return {r["id"] for r in run.records["deleted_records"]}


@pytest.mark.parametrize("mode", ["stream", "rows"])
def test_deleted_notes_show_in_the_next_run(tap, mode):
    """Once, and never one that exists."""
    run_tap = tap(sizes={"Notes": 30})
    config = {**NOTES, "deletes": mode}
    first = run_tap(config=config)
    assert gone(first, mode) == set()
    lost = {pick(run_tap, 3), pick(run_tap, 20)}
    for note in lost:
        run_tap.sim.store.delete("Notes", note)
    second = run_tap(config=config, state=first.states[-1])
    assert second.code == 0, second.err
    assert gone(second, mode) == lost
    if mode == "stream":
        assert {r["type"] for r in second.records["deleted_records"]} == {"missing"}
    third = run_tap(config=config, state=second.states[-1])
    assert gone(third, mode) == set()


def test_a_restored_note_comes_again(tap):
    """Even if its Modified_Time did not move."""
    run_tap = tap(sizes={"Notes": 10})
    store, note = run_tap.sim.store, pick(run_tap, 2)
    states = [run_tap(config=NOTES).states[-1]]
    store.delete("Notes", note)
    states.append(run_tap(config=NOTES, state=states[-1]).states[-1])
    run_tap.sim.clock.advance(86_400)
    store.restore("Notes", note)
    run = run_tap(config=NOTES, state=states[-1])
    assert [r["id"] for r in run.records["Notes"]] == [note]
    assert gone(run) == set()


def test_what_came_before_a_kill_is_known_after_it(tap):
    """A record that was written, then deleted before the run goes on, is not forgotten."""
    run_tap = tap(sizes={"Notes": 900})
    whole = run_tap(config=NOTES)
    texts = [s["bookmarks"]["Notes"] for s in whole.states if "Notes" in s.get("bookmarks", {})]
    # What the state looked like when half of the notes were written.
    half = sorted(r["id"] for r in whole.records["Notes"])[:400]
    state = {
        "bookmarks": {
            "Notes": {
                **texts[-1],
                "known_ids": {"complete": False, "ids": [encode(map(int, half))]},
                "replication_key_value": max(
                    r["Modified_Time"] for r in whole.records["Notes"] if r["id"] in set(half)
                ),
            }
        }
    }
    run_tap.sim.store.delete("Notes", half[7])
    run = run_tap(config=NOTES, state=state)
    assert gone(run) == {half[7]}


def test_the_state_is_small_and_checked():
    """About four bytes an id; what cannot be read says so."""
    rng = random.Random(1)
    ids = {5_000_000_000_000_000_000 + rng.randrange(10**7) * 1000 for _ in range(10_000)}
    text = encode(ids)
    assert set(decode(text)) == ids
    assert len(text) < 10 * len(ids)
    with pytest.raises(SettingsError, match="known_ids"):
        list(decode("nonsense"))


def test_an_unknown_module_in_a_setting_is_named(tap):
    """A view that is left aside would mean all records instead of some."""
    run_tap = tap(sizes={"Notes": 1})
    for setting, value in (("detect_deletes", "full"), ("views", {"cvid": "1"})):
        run = run_tap(config={"modules": ["Notes"], setting: {"Nots": value}})
        assert run.code == 2
        assert f"{setting}: there is no stream of a module Nots" in run.err
