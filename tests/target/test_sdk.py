"""The SDK's own target suite, in process, with its streams bound to a simulated module.

What the rows turn into is asserted too: the suite itself passes with a target that does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from singer_sdk.testing import get_target_test_class

from bigin_client.testing import BiginSimulator
from bigin_client.testing.fields import Field
from target_bigin.target import TargetBigin


def bound(column: str, field: str = "Name") -> dict[str, Any]:
    return {"module": "Sdk_Rows", "fields": {column: field}, "match_on": [field]}


CONFIG: dict[str, Any] = {
    "requests_per_second": 0,
    "rate_limit_store": "memory",
    "streams": {
        "TestCamelcase": bound("Id"),
        "ForecastingTypeToCategory": bound("Id"),
        "test:SpecialChars*": bound("_id"),
        "test_object_*": bound("object_store", "Store"),
        "*": bound("id"),
    },
}


@pytest.fixture(scope="module", autouse=True)
def simulator() -> Iterator[BiginSimulator]:
    with BiginSimulator(seed=3, sizes={}, rate_limit=None) as sim:
        sim.store.add_module("Sdk_Rows", [Field("Name", "text"), Field("Store", "RRULE")])
        CONFIG.update(api_key=sim.api_key, base_url=sim.base_url)
        yield sim


TestTargetBigin = get_target_test_class(target_class=TargetBigin, config=CONFIG)


def test_what_the_suite_left_in_the_store(simulator):
    """Each key of the suite's streams once (their keys overlap), each object once."""
    records = simulator.store.records("Sdk_Rows")
    names = [r["Name"] for r in records if r["Name"]]
    assert {"1", "2", "3", "a2e98886"} <= set(names)
    assert len(names) == len(set(names))
    stores = [r["Store"] for r in records if r["Store"]]
    assert {"id": 1, "metric": 187} in stores
    assert all(stores.count(s) == 1 for s in stores)
