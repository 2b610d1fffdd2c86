"""What an entity's state says about a call whose answer was lost: does the wanted state hold? Pure.

Only what is present and readable counts. A missing field, a null, another type: cannot tell, because a server that
leaves something out says nothing about it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import unquote

from bridge.catalogue.probes import ABSENT, BODY, OTHER, PRESENT, Probe, Step
from bridge.core.content import dotted
from bridge.core.requests import JsonValue

Scalar = bool | int | float | str


class _Found(Enum):
    """What the probe's field showed besides a value."""

    ABSENT = auto()
    PRESENT = auto()
    """An entity or a list's element, of which nothing but its being there is asked."""
    UNREADABLE = auto()


@dataclass(frozen=True, slots=True)
class _Asked:
    """What of the request a probe can refer to. ``parameters`` unquoted."""

    body: Mapping[str, JsonValue]
    parameters: Mapping[str, str]


def probe_says(
    probe: Probe,
    document: Mapping[str, JsonValue] | None,
    body: Mapping[str, JsonValue] | None,
    parameters: Mapping[str, str],
) -> bool | None:
    """Whether the wanted state holds; ``document`` None: the GET answered 403 or 404.

    ``parameters`` are the path parameters as they stand in the path, quoted.
    Returns True (it holds), False (it does not, and the call may be made again), None (cannot tell).
    """
    asked = _Asked(body or {}, {name: unquote(value) for name, value in parameters.items()})
    found = _found(probe, document, asked)
    proofs = [_is(found, reading, asked) for reading in probe.proved_by]
    if any(proofs):
        return True
    for reading in probe.disproved_by:
        if all(proof is False for proof in proofs) if reading == OTHER else _is(found, reading, asked):
            return False
    return None


def _found(probe: Probe, document: Mapping[str, JsonValue] | None, asked: _Asked) -> Scalar | _Found:
    if document is None:
        # Only the very entity asked for is absent then. (403 means hidden as well as gone, as VCD answers both alike;
        # a hidden list says nothing about its elements.)
        return _Found.UNREADABLE if probe.field else _Found.ABSENT
    here: JsonValue | _Found = dict(document)
    for step in probe.steps:
        value = here.get(step.name) if isinstance(here, dict) else None
        here = value if step.key is None else _element(value, step, asked)
    if probe.of_a_whole:
        return here if isinstance(here, _Found) else _Found.PRESENT
    return here if isinstance(here, bool | int | float | str) else _Found.UNREADABLE


def _element(value: JsonValue, step: Step, asked: _Asked) -> dict[str, JsonValue] | _Found:
    """The element that the step selects. XML writes a list of one as the one."""
    wanted = asked.parameters.get(step.parameter or "") if step.body is None else dotted(asked.body, step.body)
    if not isinstance(value, list | dict) or not isinstance(wanted, str):
        return _Found.UNREADABLE
    elements: list[JsonValue] = value if isinstance(value, list) else [value]
    readable = list(_keyed(elements, step.key or ""))
    for key, element in readable:
        if key == wanted:
            return element
    # One whose key cannot be read could be the one.
    return _Found.ABSENT if len(readable) == len(elements) else _Found.UNREADABLE


def _keyed(elements: list[JsonValue], name: str) -> Iterator[tuple[str, dict[str, JsonValue]]]:
    for element in elements:
        key = element.get(name) if isinstance(element, dict) else None
        if isinstance(element, dict) and isinstance(key, str):
            yield key, element


def _is(found: Scalar | _Found, reading: str, asked: _Asked) -> bool | None:
    """Whether that was found; None where the two cannot be compared."""
    match found:
        case _Found.UNREADABLE:
            return None
        case _Found.ABSENT | _Found.PRESENT:
            return found is {ABSENT: _Found.ABSENT, PRESENT: _Found.PRESENT}.get(reading)
        case _:
            expected = dotted(asked.body, reading.removeprefix(BODY)) if reading.startswith(BODY) else _literal(reading)
            return _equal(found, expected)


def _literal(reading: str) -> JsonValue:
    value: JsonValue = None if reading in {ABSENT, PRESENT, OTHER} else json.loads(reading)
    return value


def _equal(found: Scalar, expected: JsonValue) -> bool | None:
    """Read leniently: XML writes numbers and booleans as text, and VCD spells its words in more than one case."""
    if isinstance(found, str) and isinstance(expected, str):
        return found.strip().casefold() == expected.strip().casefold()
    for read in (_boolean, _number):
        one, other = read(found), read(expected)
        if one is not None and other is not None:
            return one == other
    return None


def _boolean(value: JsonValue) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().casefold())
    return value if isinstance(value, bool) else None


def _number(value: JsonValue) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
