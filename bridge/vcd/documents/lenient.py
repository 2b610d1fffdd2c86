"""Reads single values of VCD's documents as real servers send them: nulls, empty texts, numbers as text.

Sources: answers recorded in go-vcloud-director and terraform-provider-vcd issues, libcloud's fixtures, and the
extensibility documents of cloud-director-extension-standard-library.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TypeGuard
from urllib.parse import urlsplit

from bridge.core.requests import JsonValue
from bridge.core.times import to_millis

Json = dict[str, JsonValue]

LONGEST_NAME = 1024
LARGEST = 2**31 - 1
"""VCD's numbers are ``xs:int``, and Avro's ``int`` in the events."""

BELIEVABLE_YEARS = range(1900, 9000)
"""Years of times that are read: beyond them, reckoning with the time would overflow."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def is_object(value: JsonValue) -> TypeGuard[Json]:
    return isinstance(value, dict)


def text(value: JsonValue) -> str | None:
    """Free text; anything that is no text becomes its JSON form."""
    if value is None or isinstance(value, str):
        return value
    return json_text(value)


def name(value: JsonValue) -> str | None:
    """Text that identifies something: empty means absent, and so does one that is longer than any name of VCD's."""
    found = text(value)
    return found if found and len(found) <= LONGEST_NAME else None


def json_text(value: JsonValue) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def integer(value: JsonValue, *, largest: int = LARGEST) -> int | None:
    """An integer, also as a float or text; ``majorErrorCode`` is known to come as an empty text.

    None above ``largest``, and below the least that a number of as many bits can be.
    """
    if isinstance(value, bool) or value is None:
        return None
    try:
        found = int(value) if isinstance(value, (int, float)) else int(str(value).strip())
    except (ValueError, OverflowError):
        return None
    return found if -largest - 1 <= found <= largest else None


def boolean(value: JsonValue) -> bool | None:
    if isinstance(value, bool) or value is None:
        return value
    word = str(value).strip().casefold()
    return True if word in {"true", "1"} else False if word in {"false", "0"} else None


def instant(value: JsonValue) -> datetime | None:
    """An aware UTC time from ISO 8601, with or without colon in the offset; None for anything else."""
    if not isinstance(value, str) or not value:
        return None
    try:
        found = datetime.fromisoformat(value.strip())
        found = (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if found.year in BELIEVABLE_YEARS else None


def milliseconds(value: JsonValue) -> int | None:
    """A time as milliseconds since the epoch."""
    found = instant(value)
    return None if found is None else to_millis(found)


def members(value: JsonValue) -> list[Json]:
    """The objects of a repeated element: an array, or a single object where a writer did not make one."""
    if isinstance(value, list):
        return [one for one in value if is_object(one)]
    return [value] if is_object(value) else []


def host_of(href: str | None) -> str | None:
    """``host[:port]`` of an address, lower case; None where there is none."""
    try:
        return urlsplit(href or "").netloc.rpartition("@")[2].casefold() or None
    except ValueError:
        return None


def uuid_in(value: str | None) -> str | None:
    """The last uuid of an id, URN or href, lower case."""
    found = _UUID.findall(value or "")
    return found[-1].lower() if found else None
