"""Databases for the consumer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.postgres import running_postgres
from tests.support.prerequisites import PrerequisiteMissingError


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a real PostgreSQL."""
    try:
        with running_postgres() as url:
            yield url
    except PrerequisiteMissingError as missing:
        pytest.fail(str(missing), pytrace=False)
