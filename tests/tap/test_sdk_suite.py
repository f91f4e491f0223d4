"""The Singer SDK's own tests of a tap, against the simulator."""

from __future__ import annotations

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from bigin_client.testing import BiginSimulator
from tap_bigin.tap import TapBigin

_SIMULATOR = BiginSimulator(seed=1, rate_limit=None)
_SIMULATOR.start()


@pytest.fixture(scope="module", autouse=True)
def simulator():
    """Runs from import on, because the SDK reads the streams when tests are collected."""
    yield
    _SIMULATOR.stop()


TestTapBigin = get_tap_test_class(
    TapBigin,
    config={
        "api_key": _SIMULATOR.api_key,
        "base_url": _SIMULATOR.base_url,
        "requests_per_second": 0,
    },
    suite_config=SuiteConfig(ignore_no_records_for_streams=["deleted_records"]),
)
