"""Server time: seconds since the epoch that never go back, and VCD's spelling of them."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

Clock = Callable[[], float]

_COLON = re.compile(r"([+-]\d\d):(\d\d)$")
_UTC = re.compile("[zZ]$")
_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?\s*(Z|[+-]\d\d:?\d\d)?$", re.IGNORECASE
)


def steady_clock() -> Clock:
    """The machine's wall time, also after it slept or was set forward; where it is set back, it runs on steadily.

    So the ledger's times can be compared with those of other programs on the machine.
    """
    ahead = -math.inf

    def now() -> float:
        nonlocal ahead
        monotonic = time.monotonic()
        ahead = max(ahead, time.time() - monotonic)
        return monotonic + ahead

    return now


@lru_cache(maxsize=4096)
def _to_the_second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def timestamp(at: float) -> str:
    """``2024-03-06T14:11:57.473+0000``: milliseconds, and the offset without a colon as VCD's JSON has it."""
    milliseconds = int(at * 1000)
    return f"{_to_the_second(milliseconds // 1000)}.{milliseconds % 1000:03d}+0000"


@lru_cache(maxsize=64)
def http_date(second: int) -> str:
    """The ``Date`` header (RFC 9110, section 5.6.7) of a second since the epoch."""
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(second))


def parse_time(text: str) -> float | None:
    """Seconds since the epoch of a date in a filter, with or without a colon in the offset; None if it is no date.

    A date without an offset counts as UTC.
    """
    match = _DATE.match(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    microsecond = int((match[7] or "0")[:6].ljust(6, "0"))
    try:
        return datetime(year, month, day, hour, minute, second, microsecond, tzinfo=_offset(match[8])).timestamp()
    except (ValueError, OverflowError):
        return None


def json_time(text: str) -> str:
    """A date as VCD's JSON has it, see :func:`timestamp`: UTC is ``+0000``, no offset has a colon."""
    return _COLON.sub(r"\1\2", _UTC.sub("+0000", text))


def _offset(text: str | None) -> timezone:
    if text is None or text in "Zz":
        return UTC
    digits = text[1:].replace(":", "")
    delta = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-delta if text[0] == "-" else delta)
