"""Paging: no HTTP, because `iter_pages` takes a function."""

import pytest

from bigin_client.errors import PagingError
from bigin_client.paging import iter_pages
from bigin_client.records import field_groups


def page(*ids, more=False, token=None):
    info = {"more_records": more, "next_page_token": token}
    return {"data": [{"id": i} for i in ids], "info": info}


def test_follows_tokens_in_order():
    """Each page is asked for with the token of the page before it."""
    pages = {None: page("1", more=True, token="t1"), "t1": page("2", token="t2")}
    assert list(iter_pages(pages.get)) == [[{"id": "1"}], [{"id": "2"}]]


def test_no_content_is_no_pages():
    """HTTP 204 means an empty module, not an error."""
    assert list(iter_pages(lambda _token: None)) == []


@pytest.mark.parametrize(
    "second",
    [
        page("2", more=True),
        page("2", more=True, token="t1"),
        page("1", more=True, token="t2"),
        None,
        {"data": [{"name": "no id"}], "info": {"more_records": False}},
        {"data": [], "info": {}},
        {"message": "something else"},
    ],
)
def test_a_broken_chain_is_an_error(second):
    """Announced records that cannot be reached raise; the copy never ends early."""
    pages = {None: page("1", more=True, token="t1"), "t1": second}
    with pytest.raises(PagingError):
        list(iter_pages(pages.get))


def test_a_token_that_comes_back_later_is_an_error():
    pages = {
        None: page("1", more=True, token="t1"),
        "t1": page("2", more=True, token="t2"),
        "t2": page("3", more=True, token="t1"),
    }
    with pytest.raises(PagingError, match="twice"):
        list(iter_pages(pages.get))


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 98, 99, 120, 200])
def test_groups_hold_50_fields_and_the_anchor(count):
    names = [f"F{i}" for i in range(count)]
    groups = field_groups([*names, "Modified_Time"])
    assert all(len(g) <= 50 for g in groups)
    assert all("Modified_Time" in g for g in groups)
    assert {f for g in groups for f in g} == {*names, "Modified_Time"}
    assert len(groups) == max(1, -(-count // 49))


def test_id_is_never_asked_for():
    """Whether it counts towards the 50 is not known (bigin-api.md 11.5)."""
    assert field_groups(["id", "A"], anchor=None) == [("A",)]
