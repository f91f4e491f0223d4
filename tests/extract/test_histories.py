"""Generated histories: records change between any two requests of a read, and none is lost."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.extract.histories import GAPS, KINDS, LOOKBACKS, MODULES, SERVICES, TOKENS, ZONES, play

actions = st.tuples(st.sampled_from(KINDS), st.integers(0, 10_000))
steps = st.lists(actions, max_size=3)


def histories(strategy: str, token: str) -> st.SearchStrategy[dict[str, Any]]:
    """Histories in which a service is read that needs a strategy, and has such tokens."""
    return st.fixed_dictionaries(
        {
            "module": st.sampled_from(sorted(MODULES)),
            "page_size": st.integers(3, 5),
            #: Seconds between one record and the next: zeros make ties.
            "gaps": st.lists(st.sampled_from(GAPS), min_size=14, max_size=30),
            "token": st.just(token),
            "service": st.sampled_from(SERVICES[strategy]),
            "zone": st.sampled_from(ZONES),
            "lookback": st.sampled_from(LOOKBACKS),
            "many_fields": st.booleans(),
            "restore_moves": st.booleans(),
            #: Several walkers, and in which order they take turns; None: one walker.
            "walkers": st.none() | st.integers(0, 1_000),
            #: The first run is killed after so many pages; None: it ends by itself.
            "stop": st.none() | st.integers(1, 6),
            #: What happens before each list request of the first, and of the second run.
            "changes": st.lists(steps, min_size=4, max_size=12),
            "later": st.lists(steps, max_size=8),
        }
    )


def check(strategy: str, token: str, examples: int) -> None:
    """Play so many generated histories, and see that they reached what they are meant to."""
    reached: Counter[tuple[str, str]] = Counter()
    gave_up: list[bool] = []
    in_chain: list[bool] = []
    amid: list[bool] = []
    walkers: list[int] = []

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(histories(strategy, token))
    def a_changing_account_is_copied_whole(history):
        outcome = play(history)
        reached.update(outcome.reached)
        gave_up.append(outcome.gave_up)
        in_chain.append(outcome.in_chain > 0)
        amid.append(sum(outcome.reached.values()) > 0)
        walkers.append(outcome.walkers)
        assert outcome.differences == []

    a_changing_account_is_copied_whole()
    missed = [kind for kind in KINDS if not reached[strategy, kind]]
    assert missed == []
    # Seek follows page tokens only where one second fills a page.
    assert any(in_chain)
    assert strategy == "seek" or sum(in_chain) >= len(in_chain) / 2
    assert sum(amid) >= len(amid) / 2
    assert sum(gave_up) < len(gave_up) / 3
    assert strategy != "seek" or sum(w > 2 for w in walkers) > len(walkers) / 5


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("strategy", SERVICES)
def test_a_changing_account_is_copied_whole(strategy, token):
    """A read and one incremental run later the copy equals the store."""
    check(strategy, token, 34)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("strategy", SERVICES)
def test_a_changing_account_is_copied_whole_two_thousand_times(strategy, token):
    """The same, 2,025 histories in all."""
    check(strategy, token, 225)


SOME_GAPS = [
    3600, 1, 0, 2, 0, 600, 0, 0, 0, 3600, 0, 0, 0, 0, 0, 3600, 0, 1, 0, 0, 0, 600, 0, 0, 600, 600,
    0, 0,
]  # fmt: skip


def test_rows_shown_twice_do_not_hide_a_gap():
    """A record that was restored behind the walk is found by the count, which counts ids once."""
    history = {
        "module": "Accounts",
        "page_size": 5,
        "gaps": SOME_GAPS,
        "token": "snapshot",
        "service": {"deleted_order": "ascending", "deleted_modified_since": "ignored"},
        "zone": "Europe/London",
        "lookback": 0,
        "many_fields": False,
        "restore_moves": False,
        "walkers": None,
        "stop": None,
        "changes": [
            [("delete", 731), ("tick", 2602)],
            [("restore", 1565), ("insert", 731), ("tick", 2602)],
            [("delete", 731), ("tick", 2602)],
            [],
            [("update", 4744), ("restore", 7901)],
            [("burst", 2111)],
            [],
            [("restore", 671)],
        ],
        "later": [[("insert", 874)], [("tick", 448)], [("delete", 731), ("tick", 2602)], []],
    }
    outcome = play(history)
    assert (outcome.differences, outcome.gave_up) == ([], False)
