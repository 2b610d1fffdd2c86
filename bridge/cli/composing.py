"""Builds the action requests that ``send`` puts on the topic. Only shape is checked here: the bridge judges content."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class Composed:
    """One record to send: its key and the ``ActionRequest`` as a JSON object."""

    key: str
    document: Mapping[str, Any]


class NotComposable(ValueError):
    """What was given is not a request; the text says what and where."""


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """``k=v`` options to a mapping. Raises NotComposable."""
    found: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise NotComposable(f"{option}: {text!r} is not NAME=VALUE")
        if name in found:
            raise NotComposable(f"{option}: {name} is given twice")
        found[name] = value
    return found


def parse_object(text: str, where: str) -> dict[str, Any]:
    """JSON text to an object. Raises NotComposable."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise NotComposable(f"{where}: not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise NotComposable(f"{where}: must be a JSON object")
    return document


def compose(document: Mapping[str, Any], key: str | None = None) -> Composed:
    """Complete one request: a fresh ``request_id`` where it needs one, and its record key.

    All records about one entity or request must have the same key, so the default is the entity's id (its uuid, so
    that every spelling of it gives the same key), else the request's.
    """
    full = {name: value for name, value in document.items() if value is not None}
    if full.get("kind", "request") == "request" and "request_id" not in full:
        full["request_id"] = str(uuid.uuid4())
    return Composed(key or _default_key(full), full)


def compose_lines(lines: Iterable[str], source: str) -> Iterator[Composed]:
    """JSON lines, one request each; blank lines are skipped. A member ``key`` is taken out as the record's key."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            document = parse_object(line, f"{source}, line {number}")
            key = document.pop("key", None)
            if key is not None and not isinstance(key, str):
                raise NotComposable(f"{source}, line {number}: key must be a string")
            yield compose(document, key)


def entity_key(entity: str) -> str:
    """Record key of an entity given as prefixed id, URN, href or bare uuid."""
    found = _UUID.findall(entity)
    return found[-1].lower() if found else entity


def _default_key(document: Mapping[str, Any]) -> str:
    parameters = document.get("parameters")
    entity = parameters.get("id") if isinstance(parameters, Mapping) else document.get("parameters.id")
    if isinstance(entity, str) and entity:
        return entity_key(entity)
    named = document.get("target_request_id") or document.get("request_id")
    return named if isinstance(named, str) else str(uuid.uuid4())
