"""Probes: a GET whose answer shows whether what a call wanted is so. As data; ``bridge.core.proof`` judges."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

ABSENT, PRESENT, OTHER = "absent", "present", "other"
BODY = "body:"

_SELECTOR = r"\[(?P<key>[A-Za-z]+)=(?:\{(?P<parameter>[A-Za-z]+)\}|body:(?P<body>[A-Za-z]+(?:\.[A-Za-z]+)*))\]"
_STEP = re.compile(rf"(?P<name>[A-Za-z]+)(?:{_SELECTOR})?(?:\.|$)")
_DOTTED = re.compile(r"[A-Za-z]+(\.[A-Za-z]+)*")


@dataclass(frozen=True, slots=True)
class Step:
    """One step into a document: the member ``name``; with ``key`` the element of that list whose ``key`` equals the
    path parameter ``parameter`` or the body's dotted field ``body``."""

    name: str
    key: str | None = None
    parameter: str | None = None
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """``GET path`` (a template like the operation's), the dotted ``field`` in its answer, and what that tells.

    ``proved_by`` are the readings by which the wanted state holds, ``disproved_by`` those by which it does not and
    the call may be made again. Anything else, above all what is missing, null or of another type, tells nothing.
    A reading is JSON text, ``body:<dotted field>`` (what the request's body has there), ``present`` or ``absent`` (of
    the entity itself or of a list's element), or ``other``: a readable value that none of ``proved_by`` equals.

    An empty ``field`` is the entity itself: it is absent where the GET answers 403 or 404. Steps of the field are
    separated by dots; ``list[key={parameter}]`` and ``list[key=body:field]`` name one element of a list.
    """

    path: str
    field: str
    proved_by: tuple[str, ...]
    disproved_by: tuple[str, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """The field taken apart."""
        return tuple(_steps(self.field))

    @property
    def of_a_whole(self) -> bool:
        """Whether it asks of an entity or of a list's element, which are there or not, instead of a value."""
        steps = self.steps
        return not steps or steps[-1].key is not None

    def __str__(self) -> str:
        proves, disproves = (" or ".join(some) or "nothing" for some in (self.proved_by, self.disproved_by))
        return f"{self.field or 'the entity'}: {proves} proves, {disproves} disproves"


def _steps(field: str) -> Iterator[Step]:
    at = 0
    while at < len(field):
        step = _STEP.match(field, at)
        if step is None or (step.end() == len(field) and field.endswith(".")):
            raise ValueError(f"{field!r} is not a dotted field")
        yield Step(step["name"], step["key"], step["parameter"], step["body"])
        at = step.end()


def problems_of_probe(probe: Probe) -> Iterator[str]:
    """What is wrong with a probe's field and readings, each naming its part."""
    try:
        whole = probe.of_a_whole
    except ValueError as error:
        yield f"probe.field: {error}"
        return
    for part, readings in (("proved_by", probe.proved_by), ("disproved_by", probe.disproved_by)):
        for reading in readings:
            problem = _problem_of_reading(reading, whole=whole)
            if problem is not None:
                yield f"probe.{part}: {problem}"
    if OTHER in probe.proved_by:
        yield "probe.proved_by: other is what is left over, it proves nothing"
    if not probe.proved_by and not probe.disproved_by:
        yield "probe: it can tell nothing"


def _problem_of_reading(reading: str, *, whole: bool) -> str | None:
    if reading in {ABSENT, PRESENT}:
        return (
            None if whole else f"{reading}: a missing field tells nothing; only an entity or a list's element can be so"
        )
    if whole:
        return f"{reading!r}: an entity or a list's element is present or absent"
    if reading == OTHER:
        return None
    if reading.startswith(BODY):
        return None if _DOTTED.fullmatch(reading.removeprefix(BODY)) else f"{reading!r} names no field of the body"
    try:
        value = json.loads(reading)
    except ValueError:
        return f"{reading!r} is neither a word of probes nor JSON"
    return None if isinstance(value, bool | int | float | str) else f"{reading!r} is no single value"
