"""Runs in virtual time make much and leave little: looking for cycles among it would be a fifth of the work."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _cycles_are_looked_for_between_tests_only() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()
