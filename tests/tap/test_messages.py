"""The short ways to messages give, byte for byte, what the Singer SDK's way gives."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys

import pytest
from jsonschema import Draft202012Validator
from singer_sdk import Stream

from tap_bigin.base import BiginStream
from tap_bigin.tap import TapBigin


class Output(io.TextIOWrapper):
    """Stands for standard output."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", newline="\n")

    @property
    def lines(self) -> list[bytes]:
        """What was written, without the moments of writing and without STATE.

        Where STATE stands differs: after a page, not amid one.
        """
        text = re.sub(rb'"time_extracted":"[^"]*"', b"", self.buffer.getvalue())
        return [x for x in text.split(b"\n") if not x.startswith(b'{"type":"STATE"')]


@pytest.fixture
def lines_of(monkeypatch):
    """Sync in this process; returns the lines and the last state."""

    def run(config, catalog, *, page_wise, generate):
        output = Output()
        with monkeypatch.context() as patch, contextlib.redirect_stdout(output):
            patch.setattr(sys, "stdout", output)
            patch.setattr(BiginStream, "page_wise", page_wise)
            if generate is not None:
                patch.setattr(BiginStream, "_generate_record_messages", generate)
            plugin = TapBigin(config=config, catalog=catalog)
            assert plugin.run() == 0
        return output.lines, plugin.state["bookmarks"]

    return run


def deselect(catalog, *breadcrumb):
    """Deselect a property of Contacts."""
    contacts = next(s for s in catalog["streams"] if s["tap_stream_id"] == "Contacts")
    for entry in contacts["metadata"]:
        if entry["breadcrumb"] == list(breadcrumb):
            entry["metadata"]["selected"] = False
            return
    raise AssertionError(breadcrumb)


SELECTIONS = {
    "all": (),
    "a field": (("properties", "Email"),),
    "inside of one": (("properties", "Owner", "properties", "email"), ("properties", "Email")),
}


@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize("deletes", ["stream", "rows"])
def test_the_lines_are_the_sdks_own(tap, lines_of, selection, deletes):
    """Page-wise, and record by record with the SDK's own two methods."""
    run_tap = tap(sizes={"Contacts": 230, "Tasks": 3}, time_zone="Asia/Kolkata")
    run_tap.sim.store.delete("Tasks", run_tap.sim.store.records("Tasks")[0]["id"])
    config = {**run_tap.config, "deletes": deletes, "page_buffer_mb": 0}
    catalog = run_tap.catalog(config={"deletes": deletes})
    for breadcrumb in SELECTIONS[selection]:
        deselect(catalog, *breadcrumb)
    ours, state = lines_of(config, catalog, page_wise=True, generate=None)
    theirs, their_state = lines_of(
        config, catalog, page_wise=False, generate=Stream._generate_record_messages
    )
    assert len(ours) > 250
    if deletes == "rows":
        assert any(b'"_sdc_deleted_at":"2' in line for line in ours)
    assert ours == theirs
    assert state.keys() == their_state.keys()
    contacts = next(x for x in ours if x.startswith(b'{"type":"RECORD","stream":"Contacts"'))
    assert (b'"Email":' in contacts) == (selection == "all")


def test_maps_and_flattening_take_the_sdks_way(tap, lines_of):
    """Renamed, filtered, computed and flattened columns come as the SDK makes them."""
    run_tap = tap(sizes={"Contacts": 30})
    config = {
        **run_tap.config,
        "modules": ["Contacts"],
        "flattening_enabled": True,
        "flattening_max_depth": 1,
        "stream_maps": {"Contacts": {"__alias__": "people", "Email": None, "shout": "'!'"}},
    }
    lines, _ = lines_of(config, run_tap.catalog(), page_wise=True, generate=None)
    people = [x for x in lines if x.startswith(b'{"type":"RECORD","stream":"people"')]
    assert len(people) == 30
    assert all(b'"shout":"!"' in x and b'"Owner__id":' in x for x in people)
    assert not any(b'"Email":' in x for x in people)


def test_flattened_records_fit_their_schema(tap):
    """A target that checks them would otherwise stop at the first empty lookup."""
    run = tap(sizes={"Accounts": 5, "Contacts": 30, "Pipelines": 5, "Tasks": 5, "Notes": 5})(
        config={"flattening_enabled": True, "flattening_max_depth": 1}
    )
    assert run.code == 0
    for stream, schema in run.schemas.items():
        check = Draft202012Validator(schema["schema"])
        for record in run.records[stream]:
            check.validate(record)
    companies = {r["Account_Name__id"] is None for r in run.records["Contacts"]}
    assert companies == {True, False}  # a cleared lookup is a null, not a gap
    (org,) = run.records["org"]
    assert "trial_type" in json.loads(org["license_details"])
