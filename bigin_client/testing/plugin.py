"""pytest plugin: the fixture `bigin_simulator`, a fresh simulator per test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bigin_client.testing.simulator import BiginSimulator


@pytest.fixture
def bigin_simulator(request: pytest.FixtureRequest) -> Iterator[BiginSimulator]:
    """A running `BiginSimulator` without a rate limit.

    Its arguments come from an indirect parameter::

        @pytest.mark.parametrize("bigin_simulator", [{"sizes": {"Contacts": 5}}], indirect=True)
    """
    arguments = {"rate_limit": None, **getattr(request, "param", {})}
    with BiginSimulator(**arguments) as simulator:
        yield simulator
