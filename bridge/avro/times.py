"""Times of records, as people and tools write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from bridge.core.times import from_millis

_RFC3339 = re.compile(r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,3})\d*)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_DIGITS = re.compile(r"-?\d{1,18}", re.ASCII)


def parse_time(value: object) -> datetime:
    """A time of a record: epoch milliseconds (also as text, for flat JSON) or RFC 3339 text with its offset.

    Cut to milliseconds. Raises ValueError with what is wrong; TypeError for another type.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str):
        value = _parse_text(value.strip())
    if isinstance(value, datetime):
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("must be RFC 3339 text with an offset or milliseconds since the epoch")
    try:
        return from_millis(value)
    except OverflowError:
        raise ValueError(f"{str(value)[:30]} milliseconds since the epoch lie outside the years 1 to 9999") from None


def _parse_text(text: str) -> datetime | int:
    if _DIGITS.fullmatch(text):
        return int(text)
    match = _RFC3339.fullmatch(text)
    if match is None:
        if _RFC3339.fullmatch(text + "Z"):
            raise ValueError(f"{text!r} has no offset: append Z or, say, +02:00")
        raise ValueError(f"{text[:40]!r} is not a time: give RFC 3339 with an offset, say 2026-01-31T18:00:00+01:00")
    day, clock, fraction, offset = match.groups()
    try:
        time = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0').ljust(3, '0')}{offset.upper()}")
        return time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a time: {error}") from None
