"""Scripted faults: what goes wrong, for which calls, how often."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bridge.simulator.protocol.exchange import JsonObject

WAYS = ("drop", "reset", "hang", "status", "delay", "truncate", "content_type")
_CODES = {
    400: "BAD_REQUEST", 403: "ACCESS_TO_RESOURCE_IS_FORBIDDEN", 404: "RESOURCE_NOT_FOUND", 409: "CONFLICT",
    500: "INTERNAL_SERVER_ERROR", 502: "BAD_GATEWAY", 503: "SERVICE_NOT_READY", 504: "GATEWAY_TIMEOUT",
}  # fmt: skip
_FIELDS = {
    "do", "effect", "operation", "method", "path", "entity", "user", "skip", "times", "probability", "seed",
    "seconds", "status", "minor_code", "message", "retry_after", "headers", "body", "content_type",
}  # fmt: skip


class FaultError(ValueError):
    """A fault that cannot be read: names the field and what it takes."""


@dataclass(slots=True, kw_only=True)
class Fault:
    """One fault and whom it meets.

    ``do``: ``drop`` closes the connection, ``reset`` resets it, ``hang`` never answers, ``status`` answers ``status``
    instead, ``delay`` waits ``seconds``, ``truncate`` sends half of the answer's body, ``content_type`` replaces the
    answer's content type. ``effect`` says whether the call is carried out first (default: for truncate and
    content_type yes, otherwise no); a delay with ``effect`` waits between the effect and the answer.
    Selection: ``operation`` (name in the ledger, ``*``-wildcards), ``method``, ``path`` (regular expression, searched),
    ``entity`` (id as in the path), ``user`` (name@organization); the first ``skip`` matching calls pass, then ``times``
    calls are met (null: all), each with ``probability``.
    """

    id: int
    do: str
    effect: bool
    operation: re.Pattern[str] | None
    method: str | None
    path: re.Pattern[str] | None
    entity: str | None
    user: str | None
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
    document: JsonObject
    met: int = 0

    @property
    def is_spent(self) -> bool:
        return self.times is not None and self.met >= self.times

    def selects(self, operation: str, method: str, path: str, user: str | None) -> bool:
        return not (
            (self.operation is not None and self.operation.fullmatch(operation) is None)
            or (self.method is not None and self.method != method)
            or (self.path is not None and self.path.search(path) is None)
            or (self.entity is not None and self.entity not in path.split("/"))
            or (self.user is not None and self.user != user)
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


class Faults:
    """The active faults, in the order in which they were set; the first that takes a call has it."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._numbers = 0

    @property
    def is_empty(self) -> bool:
        return not self._faults

    def add(self, document: Mapping[str, Any]) -> Fault:
        """A fault from its JSON form.

        Raises:
            FaultError: Unknown field or a value of the wrong type.
        """
        self._numbers += 1
        fault = read_fault(document, self._numbers)
        self._faults.append(fault)
        return fault

    def take(self, operation: str, method: str, path: str, user: str | None) -> Fault | None:
        for fault in self._faults:
            if fault.selects(operation, method, path, user) and fault.takes():
                if fault.is_spent:
                    self._faults = [one for one in self._faults if one is not fault]
                return fault
        return None

    def clear(self, fault_id: int | None = None) -> None:
        self._faults = [] if fault_id is None else [one for one in self._faults if one.id != fault_id]

    def documents(self) -> list[JsonObject]:
        return [{"id": one.id, "met": one.met, **one.document} for one in self._faults]


def read_fault(document: Mapping[str, Any], number: int) -> Fault:
    """See :class:`Fault`; every field but ``do`` may be left out."""
    unknown = set(document) - _FIELDS
    if unknown:
        raise FaultError(f"unknown field '{min(unknown)}'; known: {', '.join(sorted(_FIELDS))}")
    do = document.get("do", "status" if "status" in document else None)
    if do not in WAYS:
        raise FaultError(f"'do' takes one of: {', '.join(WAYS)}")
    status = _number(document, "status", 503, 100)
    headers = [(str(name), str(value)) for name, value in (document.get("headers") or {}).items()]
    if document.get("retry_after") is not None:
        headers.append(("Retry-After", str(document["retry_after"])))
    body = document.get("body")
    operation = document.get("operation")
    return Fault(
        id=number,
        do=do,
        effect=bool(document.get("effect", do in ("truncate", "content_type"))),
        operation=None if operation is None else _wildcard(str(operation)),
        method=document.get("method"),
        path=_pattern(document.get("path")),
        entity=document.get("entity"),
        user=document.get("user"),
        skip=int(_number(document, "skip", 0, 0)),
        times=None if document.get("times", 1) is None else int(_number(document, "times", 1, 1)),
        probability=_number(document, "probability", 1.0, 0),
        chance=random.Random(document.get("seed", 0)),  # repeatable on purpose
        seconds=_number(document, "seconds", 0.0, 0),
        status=int(status),
        code=str(document.get("minor_code", _CODES.get(int(status), "UNKNOWN"))),
        message=document.get("message"),
        headers=headers,
        body=None if body is None else str(body).encode(),
        content_type=str(document.get("content_type", "text/html;charset=utf-8")),
        document=dict(document),
    )


def _number(document: Mapping[str, Any], name: str, default: float, minimum: float) -> float:
    value = document.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < minimum:
        raise FaultError(f"'{name}' takes a number, {minimum} or more")
    return value


def _wildcard(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in text.split("*")))


def _pattern(text: Any) -> re.Pattern[str] | None:
    if text is None:
        return None
    try:
        return re.compile(str(text))
    except re.error as error:
        raise FaultError(f"'path' takes a regular expression: {error}") from None
