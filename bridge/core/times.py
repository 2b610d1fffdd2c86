"""Times as numbers and as text: aware UTC datetimes, whole milliseconds since the epoch, RFC 3339."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_millis(time: datetime) -> int:
    """Whole milliseconds since the epoch, rounded down."""
    return (time - _EPOCH) // _MILLISECOND


def from_millis(millis: int) -> datetime:
    """Aware UTC. Raises OverflowError beyond the years 1 to 9999."""
    return _EPOCH + timedelta(milliseconds=millis)


def to_text(time: datetime) -> str:
    """RFC 3339 of an aware UTC time, with milliseconds, e.g. ``2026-01-31T17:00:00.000Z``."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
