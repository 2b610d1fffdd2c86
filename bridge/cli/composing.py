"""Builds the records that ``send`` puts on the topics. Only shape is checked here: the bridge judges content."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PLAIN = {
    "--kind": "kind", "--request-id": "request_id", "--operation": "operation", "--organization": "organization",
    "--correlation-id": "correlation_id", "--requested-by": "requested_by", "--start-by": "start_by",
    "--watch-until": "watch_until", "--target": "target_request_id", "--body": "body",
}  # fmt: skip
_PAIRS = {"--param": "parameters", "--query": "query"}
_RESOLUTION = {"--outcome": "outcome", "--task-href": "task_href", "--reason": "reason"}
"""Options and the fields of ``ActionRequest`` that they give."""

_EVERY_KIND = frozenset({"--kind", "--request-id", "--correlation-id", "--requested-by"})
_TAKES = {
    "request": frozenset({
        "--operation", "--param", "--query", "--body", "--organization", "--start-by", "--watch-until"
    }),
    "cancel": frozenset({"--target"}),
    "retry": frozenset({"--target"}),
    "resolve": frozenset({"--target", *_RESOLUTION}),
}  # fmt: skip
"""What each kind takes besides. The bridge would pass over the rest, and nobody would hear of it."""


_COMMANDS = ("create", "update", "finish")
_COMMAND = {"--operation": "operation", "--organization": "organization", "--correlation-id": "correlation_id"}
"""Options of requests that an ``ExternalTaskCommand`` has a field for."""
_ACTIONS = ("start", "stop")
_OBSERVATION = {
    "--observation": "action", "--organization": "organization", "--since": "since",
    "--blocking-tasks": "blocking_tasks", "--correlation-id": "correlation_id", "--requested-by": "requested_by",
}  # fmt: skip
"""Options and the fields of ``Observation`` that they give."""


class Stream(StrEnum):
    """Where a record belongs, by the setting that names the topic."""

    ACTION_REQUESTS = "action_requests"
    APPROVALS = "approvals"
    EXTERNAL_TASKS = "external_tasks"
    OBSERVATIONS = "observations"


@dataclass(frozen=True, slots=True)
class Composed:
    """One record to send: its key and the ``ActionRequest``, ``ExternalTaskCommand`` or ``Observation`` as a JSON
    object.

    ``key_is_guess``: the key is the target's ``request_id``, and the target's own record may have another.
    """

    key: str
    document: Mapping[str, Any]
    key_is_guess: bool = False
    stream: Stream = Stream.ACTION_REQUESTS


class NotComposable(ValueError):
    """What was given is not a request; the text says what and where, ``hint`` what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def from_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """The request that options ask for (name -> value; ``--body`` parsed already). Raises NotComposable."""
    kind = given.get("--kind", "request")
    if kind not in _TAKES:
        raise NotComposable(f"--kind takes {', '.join(_TAKES)}, not {kind!r}")
    for option in given:
        if option not in _TAKES[kind] | _EVERY_KIND:
            fitting = " or ".join(name for name, options in _TAKES.items() if option in options)
            other = "--observation" if option in _OBSERVATION else "--external"
            hint = f"it goes with --kind {fitting}" if fitting else f"it goes with {other}"
            raise NotComposable(f"{option} does not go with --kind {kind}", hint)
    _check_whole(kind, given)
    document = {field: given[option] for option, field in _PLAIN.items() if option in given}
    document |= {field: pairs(given[option], option) for option, field in _PAIRS.items() if option in given}
    if kind == "resolve":
        document["resolution"] = {field: given[option] for option, field in _RESOLUTION.items() if option in given}
        if "--requested-by" in given:
            document["resolution"]["decided_by"] = given["--requested-by"]
    return document


def command_from_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """The command of an external task that options ask for, flat. Raises NotComposable."""
    if given["--external"] not in _COMMANDS:
        raise NotComposable(f"--external takes {', '.join(_COMMANDS)}, not {given['--external']!r}")
    for option in given:
        if option not in _COMMAND and option not in {"--external", "--field"}:
            raise NotComposable(f"{option} does not go with --external", "--field NAME=VALUE gives any of its fields")
    document = {"command": given["--external"], **{_COMMAND[name]: given[name] for name in _COMMAND if name in given}}
    for name, value in pairs(given.get("--field", ()), "--field").items():
        if name in document:
            raise NotComposable(f"--field: {name} is given twice")
        document[name] = value
    return document


def observation_from_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """The record about an observation that options ask for. Raises NotComposable."""
    if given["--observation"] not in _ACTIONS:
        raise NotComposable(f"--observation takes {', '.join(_ACTIONS)}, not {given['--observation']!r}")
    for option in given:
        if option not in _OBSERVATION:
            raise NotComposable(f"{option} does not go with --observation")
    return {field: given[option] for option, field in _OBSERVATION.items() if option in given}


def _check_whole(kind: str, given: Mapping[str, Any]) -> None:
    if kind == "request":
        if "--operation" not in given:
            raise NotComposable("nothing to send", hint="give --operation (see `vcd-bridge operations`) or FILE")
    elif "--target" not in given:
        raise NotComposable(
            f"--kind {kind} needs --target", hint=f"--target is the request_id of the request to {kind}"
        )
    if kind == "resolve" and ("--outcome" in given) == ("--task-href" in given):
        hint = "--outcome says how the request ended, --task-href which Task to follow"
        raise NotComposable("--kind resolve needs one of --outcome and --task-href", hint)


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
    if key:
        return Composed(key, full)
    entity = _entity(full)
    if entity is not None:
        return Composed(entity_key(entity), full)
    target = full.get("target_request_id")
    if isinstance(target, str) and full.get("kind", "request") != "request":
        return Composed(target, full, key_is_guess=True)
    named = full.get("request_id")
    return Composed(named if isinstance(named, str) else str(uuid.uuid4()), full)


def compose_command(document: Mapping[str, Any], key: str | None, how: str) -> Composed:
    """One command of an external task. Its key cannot be guessed: ``how`` says how to give it. Raises NotComposable."""
    if not key:
        raise NotComposable("a command needs the external key of its task, e.g. the number of its ticket", how)
    full = {name: value for name, value in document.items() if value is not None}
    return Composed(key, full, stream=Stream.EXTERNAL_TASKS)


def compose_observation(document: Mapping[str, Any], how: str) -> Composed:
    """One record about an observation. Its key is the organization: ``how`` says how to give it. Raises
    NotComposable."""
    full = {name: value for name, value in document.items() if value is not None}
    organization = full.get("organization")
    if not isinstance(organization, str) or not organization:
        raise NotComposable("an observation needs its organization; * is all of them", how)
    return Composed(organization, full, stream=Stream.OBSERVATIONS)


def compose_lines(lines: Iterable[str], source: str) -> Iterator[Composed]:
    """JSON lines, a record each; blank lines are skipped. A member ``key`` is taken out as the record's key.

    A line with ``command`` is the command of an external task, one with ``action`` about an observation, any other a
    request.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip():
            document = parse_object(line, f"{source}, line {number}")
            key = document.pop("key", None)
            if key is not None and not isinstance(key, str):
                raise NotComposable(f"{source}, line {number}: key must be a string")
            if "command" in document:
                yield compose_command(document, key, f"{source}, line {number}: give it as the member `key`")
            elif "action" in document:
                document.setdefault("organization", key)
                yield compose_observation(document, f"{source}, line {number}: give it as the member `organization`")
            else:
                yield compose(document, key)


def as_approvals(composed: Iterable[Composed]) -> list[Composed]:
    """The same for the topic of decisions. Raises NotComposable for what no request is nor is about one."""
    found = list(composed)
    for one in found:
        if one.stream is not Stream.ACTION_REQUESTS:
            raise NotComposable("--approvals is for requests, and for what is sent about them", "send the rest without")
    return [replace(one, stream=Stream.APPROVALS) for one in found]


def entity_key(entity: str) -> str:
    """Record key of an entity given as prefixed id, URN, href or bare uuid."""
    found = _UUID.findall(entity)
    return found[-1].lower() if found else entity


def _entity(document: Mapping[str, Any]) -> str | None:
    parameters = document.get("parameters")
    entity = parameters.get("id") if isinstance(parameters, Mapping) else document.get("parameters.id")
    return entity if isinstance(entity, str) and entity else None
