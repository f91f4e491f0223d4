"""Criteria and COQL builders: what they write, and that nothing escapes from a value."""

import datetime as dt
import doctest
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigin_client import coql, criteria
from bigin_client.coql import column, select
from bigin_client.criteria import field


@pytest.mark.parametrize("module", [coql, criteria])
def test_the_examples_in_the_docstrings(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_criteria():
    when = dt.datetime(2026, 10, 9, 22, tzinfo=dt.timezone(dt.timedelta(hours=3)))
    built = (field("City").equals("Nairobi") | field("City").is_in(["a,b", "c"])) & field(
        "Modified_Time"
    ).greater_than(when)
    assert str(built) == (
        "(((City:equals:Nairobi)or(City:in:a\\,b,c))"
        "and(Modified_Time:greater_than:2026-10-09T19:00:00+00:00))"
    )
    assert str(field("Unit_Price").between(1, 2.5)) == "(Unit_Price:between:1,2.5)"
    assert str(field("Email_Opt_Out").equals(value=True)) == "(Email_Opt_Out:equals:true)"


@given(st.text(min_size=1))
def test_a_value_cannot_end_its_condition(value):
    """Every special character of the value stands behind a backslash."""
    text = str(field("Last_Name").equals(value))
    inner = text.removeprefix("(Last_Name:equals:").removesuffix(")")
    assert re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL) == value
    assert not re.search(r"(?<!\\)[(),]", re.sub(r"\\.", "", inner, flags=re.DOTALL))


def test_criteria_limits():
    many = field("A").equals(1)
    for _ in range(14):
        many = many & field("A").equals(1)
    with pytest.raises(ValueError, match="at most 15"):
        many & field("A").equals(1)
    with pytest.raises(ValueError, match="not a field name"):
        field("A:equals:1)or(B")
    with pytest.raises(ValueError, match="empty value"):
        field("A").equals("")


def test_coql():
    query = (
        select("Last_Name", "Account_Name.Account_Name")
        .source("Contacts")
        .where(
            column("Modified_Time").greater_than(dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc))
        )
        .where(column("City").is_in(["a", "b"]) | column("City").is_null())
        .order_by("Modified_Time")
        .order_by("id", "desc")
    )
    assert str(query) == (
        "select Last_Name, Account_Name.Account_Name from Contacts where "
        "(Modified_Time > '2026-01-01T00:00:00+00:00' and (City in ('a', 'b') or City is null)) "
        "order by Modified_Time asc, id desc"
    )


def test_coql_for_what_has_a_value():
    assert str(column("City").is_not_null()) == "City is not null"


@given(st.text())
def test_a_text_cannot_end_its_literal(value):
    text = str(column("City").equals(value))
    inner = text.removeprefix("City = '").removesuffix("'")
    assert re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL) == value
    assert "'" not in re.sub(r"\\.", "", inner, flags=re.DOTALL)


def test_coql_limits():
    with pytest.raises(ValueError, match="needs a module"):
        str(select("id"))
    with pytest.raises(ValueError, match="needs a column"):
        select()
    with pytest.raises(ValueError, match="not a name"):
        select("id from Contacts where 1=1; --")
    with pytest.raises(ValueError, match="empty list"):
        column("A").is_in([])
    with pytest.raises(ValueError, match="direction"):
        select("id").order_by("id", "up")
    many = column("A").equals(1)
    for _ in range(24):
        many = many & column("A").equals(1)
    with pytest.raises(ValueError, match="at most 25"):
        many | column("A").equals(1)
