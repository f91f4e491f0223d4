"""The SDK's own target suite, in process, with its streams bound to a simulated module.

What the rows turn into is asserted too: the suite itself passes with a target that does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
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


def test_what_the_suites_rows_become(simulator):
    """Each key once, with its last version; each object once; the same again adds nothing."""
    streams = files("singer_sdk.testing.target_test_streams")
    for _ in range(2):
        for name in ("duplicate_records", "encoded_string_data", "schema_no_properties"):
            with streams.joinpath(f"{name}.singer").open(encoding="utf-8") as lines:
                TargetBigin(config=CONFIG).listen(lines)
    records = simulator.store.records("Sdk_Rows")
    names = [r["Name"] for r in records if r["Name"]]
    assert {"1", "2", "3", "4"} <= set(names)
    assert len(names) == len(set(names))
    stores = [r["Store"] for r in records if r["Store"]]
    assert {"id": 1, "metric": 187} in stores
    assert all(stores.count(s) == 1 for s in stores)
