"""API versions are numbers, not texts."""

from __future__ import annotations

import pytest

from bridge.core.versions import at_least


@pytest.mark.parametrize(
    ("version", "wanted", "expected"),
    [
        ("39.1", "39.0", True),
        ("39.0", "39.1", False),
        ("39.0", "39", True),
        ("5.11", "5.5", True),
        ("5.5", "5.11", False),
        ("39.1", "5.11", True),
        ("9.0", "38.0", False),
        ("37.0.0-alpha-1653", "37.0", True),
        ("37.0.0-alpha-1653", "37.1", False),
    ],
)
def test_at_least(version: str, wanted: str, expected: bool) -> None:
    assert at_least(version, wanted) is expected
