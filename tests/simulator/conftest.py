"""Fixtures of the simulator's tests."""

from __future__ import annotations

import pytest

from tests.simulator.driver import Caller, Cloud


@pytest.fixture
def cloud() -> Cloud:
    """A cloud in virtual time whose Tasks last 10 s."""
    return Cloud()


@pytest.fixture
def admin(cloud: Cloud) -> Caller:
    """admin@acme."""
    return cloud.log_in()


@pytest.fixture
def provider(cloud: Cloud) -> Caller:
    """administrator@System."""
    return cloud.log_in("administrator@System")
