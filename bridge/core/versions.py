"""API versions of VCD in order: ``39.1`` comes after ``39.0``, ``5.11`` after ``5.5``."""

from __future__ import annotations


def at_least(version: str, wanted: str) -> bool:
    """Whether ``version`` is ``wanted`` or later. A pre-release (``37.0.0-alpha-1``) counts as its release."""
    return _numbers(version) >= _numbers(wanted)


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in version.split("-", 1)[0].split(".") if part.isdecimal()]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
