"""Criteria checked against records: strict where the service's search is loose."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bigin_client.conditions import CriteriaError, parse
from bigin_client.criteria import field

KINDS = {
    "Last_Name": "text",
    "Stage": "picklist",
    "Amount": "number",
    "Active": "boolean",
    "Closing_Date": "date",
    "Modified_Time": "datetime",
    "Owner": "lookup",
    "Tag": "array",
}
RECORD = {
    "id": "5725774000001010156",
    "Last_Name": "Ng (Sales), HQ",
    "Stage": "Won",
    "Amount": Decimal("12.50"),
    "Active": True,
    "Closing_Date": "2026-11-24",
    "Modified_Time": "2026-11-24T12:00:00+00:00",
    "Owner": {"id": "77", "name": "Kim"},
}


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        (field("Last_Name").equals("ng (sales), hq"), True),
        (field("Last_Name").equals("Ng"), False),
        (field("Last_Name").starts_with("NG ("), True),
        (field("Last_Name").not_equal("Ng"), True),
        (field("Stage").is_in(["Lost", "Won"]), True),
        (field("Amount").equals("12.5"), True),
        (field("Amount").between(12, Decimal("12.50")), True),
        (field("Amount").greater_than(Decimal("12.5")), False),
        (field("Active").equals(value=True), True),
        (field("Closing_Date").less_equal("2026-11-24"), True),
        (field("Modified_Time").equals("2026-11-24T13:00:00+01:00"), True),
        (field("Owner").equals("77"), True),
        (field("Owner").is_in(["78", "79"]), False),
        (field("id").equals("5725774000001010156"), True),
        (field("Stage").equals("Won") & field("Amount").less_than(10), False),
        (field("Stage").equals("Won") | field("Amount").less_than(10), True),
        ("(Stage:equals:Won) AND (Amount:equals:12.50)", True),
        ("((Stage:equals:Lost)or((Active:equals:true)and(Owner:equals:77)))", True),
    ],
)
def test_what_holds(criteria, expected):
    condition = parse(str(criteria))
    condition.check(KINDS)
    assert condition.holds(RECORD, KINDS) is expected


@pytest.mark.parametrize("operator", ["equals", "not_equal", "starts_with"])
def test_nothing_holds_for_an_empty_value(operator):
    condition = parse(f"(Last_Name:{operator}:x)")
    assert not condition.holds({**RECORD, "Last_Name": None}, KINDS)
    assert not condition.holds({"id": "1"}, KINDS)


@pytest.mark.parametrize(
    "criteria",
    [
        "",
        "Last_Name:equals:x",
        "(Last_Name:equals:x",
        "(Last_Name:equals:Ng (Sales))",
        "(Last_Name equals x)",
        "(Last_Name:equals:x)(Stage:equals:y)",
        "(Last_Name:equals:x)and(Stage:equals:y)or(Active:equals:true)",
        "(Amount:between:1)",
        "(Last_Name:equals:x))",
    ],
)
def test_what_cannot_be_read_for_certain(criteria):
    with pytest.raises(CriteriaError):
        parse(criteria)


@pytest.mark.parametrize(
    "criteria",
    [
        "(Colour:equals:red)",
        "(Tag:equals:VIP)",
        "(Active:greater_than:true)",
        "(Stage:between:a,b)",
        "(Amount:starts_with:1)",
        "(Last_Name:contains:x)",
        "(Amount:equals:many)",
        "(Closing_Date:equals:tomorrow)",
        "(Owner:equals:${CURRENTUSER})",
        "(Last_Name:equals:)",
    ],
)
def test_what_cannot_be_checked(criteria):
    with pytest.raises(CriteriaError):
        parse(criteria).check(KINDS)
