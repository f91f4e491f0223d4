"""The environment that the Airflow tests run in."""

from __future__ import annotations

import importlib.metadata

import pytest


def test_the_provider_is_tested_without_the_singer_sdk():
    assert importlib.metadata.version("apache-airflow")
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("singer-sdk")


def test_airflow_finds_the_provider():
    (point,) = importlib.metadata.entry_points(group="apache_airflow_provider").select(
        module="airflow_provider_bigin.get_provider_info"
    )
    assert point.load()()["package-name"] == "bigin-connectors"
