"""Each switch of the simulator, flipped: the examination reports exactly that difference."""

from __future__ import annotations

from functools import cache

import pytest

from bigin_client.contract import Verdict
from bigin_client.testing import BiginSimulator, Switches

#: Rest on tokens that page 1 has.
_BY_TOKEN = {"10.9", "10.2b", "9.20", "9.21a", "9.21b", "11.4a", "11.4b", "9.26", "11.1"}
#: Rest on the header being honoured.
_BY_HEADER = {"9.25b", "9.25c", "11.4b", "11.6a", "11.6b"}
_SEARCH = {"10.3j", "9.56a", "9.56b", "9.56c", "9.56d", "9.56e", "9.55", "9.57"}

#: Switch → (statements that are refuted, statements that can no longer be checked).
EXPECTED: dict[str, tuple[set[str], set[str]]] = {
    "unknown_connection_status": ({"11.9a"}, set()),
    "pending_connection_status": ({"11.9b"}, set()),
    "failed_connection_status": ({"maton A5b"}, set()),
    "several_connections": ({"maton A2"}, set()),
    "connection_reply": ({"11.10a"}, set()),
    "connection_delete_status": ({"11.10b"}, set()),
    "gateway_shape": ({"maton A5a"}, set()),
    "unknown_module": ({"9.8", "9.9", "11.2"}, set()),
    "wrong_method_status": ({"section 6"}, set()),
    "search_needs_scope": (set(), {"9.5"}),
    "bulk_routed": ({"10.12", "10.3i"}, set()),
    "too_many_fields": ({"9.11b"}, {"11.5"}),
    "unknown_field_in_list": ({"9.13"}, set()),
    "id_in_fields": ({"11.5"}, set()),
    "per_page_above_200": ({"9.16"}, set()),
    "next_token": ({"9.19"}, _BY_TOKEN),
    "page_with_token": ({"9.20"}, set()),
    "token_changed_parameter": ({"9.21a"}, set()),
    "token_changed_per_page": ({"9.21b"}, set()),
    "token_missing_parameter": ({"11.4a", "11.4b"}, set()),
    "token_nature=offset": ({"11.1"}, {"9.26"}),
    "token_nature=snapshot": ({"11.1", "9.26"}, set()),
    "sort": ({"10.2a"}, {"10.2b"}),
    "other_sort": ({"11.3a"}, set()),
    "lone_sort_order": ({"11.3b"}, set()),
    "cvid_with_sort": ({"9.28a"}, set()),
    "if_modified_since": ({"9.25a"}, _BY_HEADER),
    "if_modified_since_bound": ({"9.25b"}, set()),
    "not_modified_status": ({"9.25c"}, set()),
    "modified_since_past_end": ({"11.6a"}, set()),
    "modified_since_bad_value": ({"11.6b"}, set()),
    "parent_module_key": ({"11.18"}, set()),
    "pipeline_read": ({"10.6a"}, set()),
    "subforms_in_lists": ({"10.6b"}, set()),
    "activity_parent": ({"10.7a"}, {"11.17b"}),
    "notes_parent": ({"10.7b"}, set()),
    "lookup_to_deleted": ({"11.11a"}, set()),
    "notes_of_deleted": ({"11.11b"}, set()),
    "empty_multiselect": ({"11.12a"}, set()),
    "count_form": ({"section 3.7"}, set()),
    "malformed_id": ({"9.30c"}, set()),
    "pipelines_mandatory": ({"9.14b"}, {"9.52", "11.17a", "11.11a"}),
    "mixed_status": ({"9.35"}, set()),
    "single_failure_status": ({"9.36"}, set()),
    "all_failed_status": ({"11.7a"}, set()),
    "upsert_insert_status": ({"9.43a"}, set()),
    "upsert_mixed_status": ({"11.7b"}, set()),
    "too_many_rows_code": ({"9.37"}, set()),
    "over_long_details": ({"9.39a"}, set()),
    "wrong_type": ({"9.39b"}, {"11.13b"}),
    "unique_on_insert": ({"10.5"}, {"9.40a", "9.40b"}),
    "duplicate_details": ({"9.40a"}, set()),
    "unknown_id_update": ({"9.42"}, set()),
    "upsert_same_key": ({"9.45"}, set()),
    "upsert_several_matches": ({"11.8a"}, set()),
    "upsert_id_in_row": ({"11.8b"}, set()),
    "upsert_check_field_not_unique": ({"11.8c"}, set()),
    "noop_update_touches": ({"9.46a"}, set()),
    "noop_upsert_touches": ({"9.46b"}, set()),
    "cascade_contacts": ({"9.48"}, {"10.8"}),
    "cascade_in_feed": ({"10.8"}, set()),
    "stage_outside": ({"9.52"}, set()),
    "sub_pipeline_outside": ({"11.17a"}, set()),
    "related_module_missing": ({"11.17b"}, set()),
    "unknown_field_in_body": ({"9.53"}, set()),
    "read_only_in_body": ({"section 3.3a"}, set()),
    "unknown_picklist": ({"11.12b"}, set()),
    "empty_string": ({"11.12c"}, set()),
    "null_mandatory": ({"section 4c"}, set()),
    "zulu_offset": ({"section 4d"}, set()),
    "json_path": ({"11.13a"}, set()),
    "type_names": ({"11.13b"}, set()),
    "trims_text": ({"10.13"}, set()),
    "if_unmodified_since": ({"section 3.1"}, set()),
    "deleted_notes": ({"9.59b"}, set()),
    "deleted_order": ({"11.14a"}, set()),
    "deleted_page_limit": ({"11.14b"}, set()),
    "deleted_modified_since": ({"11.14c"}, set()),
    "index_lag": ({"9.55"}, set()),
    "search_equals": ({"9.57"}, set()),
    "search_past_2000": ({"9.56d"}, set()),
    "coql_error": ({"9.58e"}, set()),
    "coql_needs_where": ({"11.15a"}, set()),
    "coql_lag": ({"11.15c"}, set()),
    "coql_lookups": ({"11.15b"}, set()),
    "credits_header=never": (set(), {"9.7b", "11.16"}),
    "credits_header=always": ({"9.7b"}, set()),
    "refused_calls_cost": ({"11.16"}, set()),
    "unknown_data_types": ({"section 2a"}, set()),
    "missing_json_type": ({"section 2b"}, set()),
}
#: Statements that a switch makes checkable beside those that it concerns.
GAINED = {"search_needs_scope": _SEARCH, "credits_header=always": {"11.16"}}

#: Switches that no examination can see, and why.
UNSEEN = {
    "date_header": "is no statement about the service; reads do without it",
    "no_connection_status": "there is always a connection",
    "gateway_order": "needs more requests than the gateway allows",
    "rate_limit_retry_after": "needs more requests than the gateway allows",
    "limit_retry_after": "needs more simultaneous calls than the account allows",
    "sub_concurrency": "needs more simultaneous calls than the account allows",
    "credits_exhausted_code": "would use up the account's credits",
    "token_expires": "takes a day",
    "token_chain_rows": "takes a module of 100,000 records",
    "restore_moves_modified_time": "no API restores a record",
    "gzip": "no document says anything about it",
}
#: Enough for the default suite: what the connectors rest on most.
QUICK = {"if_modified_since", "token_nature", "mixed_status"}


def _half_used(sim: BiginSimulator) -> None:
    budget = sim.account().credits
    budget.spend(budget.limit * 6 // 10)


def _no_search(sim: BiginSimulator) -> None:
    sim.revoke("securesearch")


#: What an account needs besides for a switch to show.
PREPARE = {
    "credits_header=never": _half_used,
    "refused_calls_cost": _half_used,
    "search_needs_scope": _no_search,
}


def _cases() -> list:
    cases = []
    for name, values in Switches.alternatives().items():
        if name in UNSEEN:
            continue
        for value in values:
            marks = [] if name in QUICK else [pytest.mark.slow]
            cases.append(pytest.param(name, value, id=f"{name}={value}", marks=marks))
    return cases


def _of(table: dict, name: str, value: object, default: object = None) -> object:
    return table.get(f"{name}={value}", table.get(name, default))


@pytest.fixture(scope="module")
def baseline(account, examine):
    """Return the findings of an account whose switches are all at their defaults."""

    @cache
    def of(prepare):
        with account(prepare) as sim:
            return dict(_verdicts(examine(sim, allow_writes=True)))

    return of


def _verdicts(report):
    return ((s.number, f.verdict) for s, f in report.findings)


def test_every_switch_is_accounted_for():
    """A new switch needs a statement, or a reason why none can see it."""
    names = {key.partition("=")[0] for key in EXPECTED}
    assert names | UNSEEN.keys() == Switches.alternatives().keys()
    assert not names & UNSEEN.keys()


@pytest.mark.parametrize(("name", "value"), _cases())
def test_a_flipped_switch_is_reported_and_nothing_else(
    name, value, account, examine, baseline, contents
):
    prepare = _of(PREPARE, name, value)
    before = baseline(prepare)
    with account(prepare, **{name: value}) as sim:
        as_it_was = contents(sim)
        report = examine(sim, allow_writes=True)
        assert contents(sim) == as_it_was
    assert report.left_behind == []
    refuted, lost, gained = set(), set(), set()
    for number, verdict in _verdicts(report):
        if verdict is not before[number]:
            {
                Verdict.REFUTED: refuted,
                Verdict.NOT_CHECKABLE: lost,
                Verdict.CONFIRMED: gained,
            }[verdict].add(number)
    expected = _of(EXPECTED, name, value)
    assert (refuted, lost) == expected
    assert gained == _of(GAINED, name, value, set())
