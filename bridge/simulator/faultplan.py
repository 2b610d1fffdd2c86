"""What a fault is, and how one is read from JSON: at run time, or a whole plan from a file."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.simulator.presets import PRESETS
from bridge.simulator.protocol.exchange import JsonObject

WAYS = (
    "drop", "reset", "hang", "status", "delay", "truncate", "content_type", "slow", "skew", "refuse",
)  # fmt: skip
_AFTER_THE_EFFECT = ("truncate", "content_type", "slow", "skew")
"""What is done to an answer comes after the call was carried out."""
_CODES = {
    400: "BAD_REQUEST", 403: "ACCESS_TO_RESOURCE_IS_FORBIDDEN", 404: "RESOURCE_NOT_FOUND",
    405: "METHOD_NOT_ALLOWED", 406: "NOT_ACCEPTABLE", 409: "CONFLICT", 415: "UNSUPPORTED_MEDIA_TYPE",
    500: "INTERNAL_SERVER_ERROR", 502: "BAD_GATEWAY", 503: "SERVICE_NOT_READY", 504: "GATEWAY_TIMEOUT",
}  # fmt: skip
_SELECTION = {"operation", "method", "path", "entity", "user", "skip", "times", "probability", "seed"}
_ONLY_WITH = {
    "status": ("status",), "minor_code": ("status",), "message": ("status",), "retry_after": ("status",),
    "headers": ("status",), "body": ("status",), "content_type": ("status", "content_type"),
    "bytes_per_second": ("slow",), "skew_seconds": ("skew",),
    **dict.fromkeys((*_SELECTION, "effect", "seconds"), tuple(way for way in WAYS if way != "refuse")),
}  # fmt: skip
FIELDS = frozenset({"do", "preset", "cell", "after", "for", *_ONLY_WITH})


class FaultError(ValueError):
    """A fault that cannot be read: names the field and what it takes."""


@dataclass(frozen=True, slots=True)
class Names:
    """What a fault may name; a misspelt name would meet nothing, in silence."""

    operations: frozenset[str]
    cells: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Fault:
    """One fault and whom it meets.

    ``do``: ``drop`` closes the connection, ``reset`` resets it, ``hang`` never answers, ``status`` answers ``status``
    instead, ``delay`` waits ``seconds``, ``truncate`` sends half of the answer's body, ``content_type`` replaces the
    answer's content type, ``slow`` sends head and body with ``bytes_per_second``, ``skew`` moves the answer's Date by
    ``skew_seconds``, ``refuse`` takes ``cell`` away: connections to it are refused. ``effect`` says whether the call is
    carried out first (default: for what is done to an answer yes, otherwise no); a delay with ``effect`` waits between
    the effect and the answer.
    Selection: ``operation`` (name in the ledger, ``*``-wildcards), ``method``, ``path`` (regular expression, searched),
    ``entity`` (id as in the path), ``user`` (name@organization), ``cell``; from ``begins`` until ``ends`` (seconds of
    the simulator's clock); the first ``skip`` matching calls pass, then ``times`` calls are met (null: all), each with
    ``probability``.
    """

    id: int
    do: str
    effect: bool
    operation: re.Pattern[str] | None
    method: str | None
    path: re.Pattern[str] | None
    entity: str | None
    user: str | None
    cell: str | None
    begins: float
    ends: float
    skip: int
    times: int | None
    probability: float
    chance: random.Random
    seconds: float
    status: int
    code: str
    message: str | None
    headers: list[tuple[str, str]]
    body: bytes | None
    content_type: str
    bytes_per_second: float
    skew_seconds: float
    document: JsonObject = field(repr=False)
    met: int = 0

    @property
    def is_spent(self) -> bool:
        return self.times is not None and self.met >= self.times

    def is_on(self, now: float) -> bool:
        return self.begins <= now < self.ends

    def selects(self, operation: str, method: str, path: str, user: str | None, cell: str) -> bool:
        return not (
            (self.operation is not None and self.operation.fullmatch(operation) is None)
            or (self.method is not None and self.method != method)
            or (self.path is not None and self.path.search(path) is None)
            or (self.entity is not None and self.entity not in path.split("/"))
            or (self.user is not None and self.user != user)
            or (self.cell is not None and self.cell != cell)
        )

    def takes(self) -> bool:
        """Counts one selected call; True when the fault meets it."""
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.is_spent or (self.probability < 1.0 and self.chance.random() >= self.probability):
            return False
        self.met += 1
        return True


def read_fault(document: Mapping[str, Any], number: int, now: float, names: Names) -> Fault:
    """See :class:`Fault`; every field may be left out but ``do``, or ``status`` or ``preset`` in its place.

    Raises:
        FaultError: Unknown field, a field that does not go with ``do``, a value of the wrong type, an unknown name.
    """
    given = _with_preset(document)
    do = given.get("do", "status" if "status" in given else None)
    if do not in WAYS:
        raise FaultError(f"'do' takes one of: {', '.join(WAYS)}")
    for name in given:
        ways = _ONLY_WITH.get(name)
        if ways is not None and do not in ways:
            raise FaultError(f'\'{name}\' does not go with "do": "{do}"')
    cell = _one_of(given, "cell", names.cells)
    if do == "refuse" and cell is None:
        raise FaultError(f'\'cell\' is needed with "do": "refuse"; one of: {", ".join(names.cells)}')
    status = int(_number(given, "status", 503, 200, 599))
    body, times = _text(given, "body"), given.get("times", 1)
    begins = now + _number(given, "after", 0.0, 0)
    return Fault(
        id=number,
        do=do,
        effect=_flag(given, "effect", default=do in _AFTER_THE_EFFECT),
        operation=_operation(_text(given, "operation"), names.operations),
        method=_text(given, "method"),
        path=_pattern(_text(given, "path")),
        entity=_text(given, "entity"),
        user=_text(given, "user"),
        cell=cell,
        begins=begins,
        ends=float("inf") if given.get("for") is None else begins + _number(given, "for", 0.0, 0),
        skip=int(_number(given, "skip", 0, 0)),
        times=None if times is None else int(_number(given, "times", 1, 1)),
        probability=_number(given, "probability", 1.0, 0, 1),
        chance=random.Random(given.get("seed", 0)),  # repeatable on purpose
        seconds=_number(given, "seconds", 0.0, 0),
        status=status,
        code=_text(given, "minor_code") or _CODES.get(status, "UNKNOWN"),
        message=_text(given, "message"),
        headers=_headers(given),
        body=None if body is None else body.encode(),
        content_type=_text(given, "content_type") or "text/html;charset=utf-8",
        bytes_per_second=_number(given, "bytes_per_second", 100.0, 1),
        skew_seconds=_number(given, "skew_seconds", 90.0, -float("inf")),
        document=dict(document),
    )


def read_fault_file(path: Path) -> list[JsonObject]:
    """The faults of a file: a JSON array, or one JSON object a line.

    Raises:
        ValueError: What is wrong, with the file's name.
    """
    text = path.read_text(encoding="utf-8")
    try:
        documents = (
            json.loads(text)
            if text.lstrip().startswith("[")
            else [json.loads(line) for line in text.splitlines() if line.strip()]
        )
    except ValueError as error:
        raise ValueError(f"{path}: no JSON: {error}") from None
    if not all(isinstance(one, dict) for one in documents):
        raise ValueError(f"{path}: each fault is a JSON object")
    return documents


def _with_preset(document: Mapping[str, Any]) -> JsonObject:
    """The document over the preset that it names."""
    unknown = set(document) - FIELDS
    if unknown:
        raise FaultError(f"unknown field '{min(unknown)}'; known: {', '.join(sorted(FIELDS))}")
    preset = _one_of(document, "preset", tuple(PRESETS))
    base = {} if preset is None else PRESETS[preset].fields
    return {**base, **{name: value for name, value in document.items() if name != "preset"}}


def _number(
    document: Mapping[str, Any], name: str, default: float, minimum: float, maximum: float = float("inf")
) -> float:
    value = document.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not minimum <= value <= maximum:
        limits = f", {minimum:g} or more" if maximum == float("inf") else f" from {minimum:g} to {maximum:g}"
        raise FaultError(f"'{name}' takes a number{'' if minimum == -float('inf') else limits}")
    return value


def _flag(document: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = document.get(name, default)
    if not isinstance(value, bool):
        raise FaultError(f"'{name}' takes true or false")
    return value


def _text(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise FaultError(f"'{name}' takes text")
    return value


def _one_of(document: Mapping[str, Any], name: str, known: tuple[str, ...]) -> str | None:
    value = document.get(name)
    if value is not None and value not in known:
        raise FaultError(f"'{name}' takes one of: {', '.join(known)}")
    return value


def _headers(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    headers = document.get("headers") or {}
    if not isinstance(headers, Mapping):
        raise FaultError("'headers' takes an object")
    told = [(str(name), str(value)) for name, value in headers.items()]
    if document.get("retry_after") is not None:
        told.append(("Retry-After", str(document["retry_after"])))
    return told


def _operation(text: str | None, known: frozenset[str]) -> re.Pattern[str] | None:
    """``*`` stands for any letters."""
    if text is None:
        return None
    pattern = re.compile(".*".join(re.escape(part) for part in text.split("*")))
    if not any(map(pattern.fullmatch, known)):
        raise FaultError(f"'operation': no call is named '{text}'; they are those of `vcd-bridge operations`, and "
                         f"{', '.join(sorted(name for name in known if name in _OTHERS))}")  # fmt: skip
    return pattern


_OTHERS = frozenset({
    "versions", "login", "providerLogin", "oauthToken", "currentSession", "logout", "getSession", "query", "getEntity",
    "getMetadata", "getSection", "listOrganizations", "resolveEntity", "getBlockingTask", "unknown",
})  # fmt: skip
"""The best known of the calls that are no operation of the catalogue, for the text of an error."""


def _pattern(text: str | None) -> re.Pattern[str] | None:
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        raise FaultError(f"'path' takes a regular expression: {error}") from None
