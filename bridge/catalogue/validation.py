"""What must hold within one operation and between operations. Problems are told, not raised."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bridge.catalogue.kinds import KINDS
from bridge.catalogue.operation import AnswerShape, BodyRule, Lane, Operation, Recovery, TaskSign
from bridge.catalogue.probes import problems_of_probe

PARAMETER = re.compile(r"\{([A-Za-z]+)\}")
STREAMS = frozenset({"action_requests", "approvals", "external_tasks"})
"""Topic settings that an operation's ``stream`` may name."""
METHODS = frozenset({"GET", "POST", "PUT", "DELETE"})

_NAME = re.compile(r"[a-z][A-Za-z0-9]*")
_PATH = re.compile(r"(/([A-Za-z]+|\{[A-Za-z]+\}))+")
_MEDIA_TYPE = re.compile(r"application/(vnd\.vmware\.[A-Za-z.]+|\*)\+json")
_VERSION = re.compile(r"\d+\.\d+")
_DOTTED = re.compile(r"[A-Za-z]+(\.[A-Za-z]+)*")


def problems_of(operation: Operation) -> Iterator[str]:
    """What is wrong with one operation, each naming its field."""
    yield from _shape(operation)
    yield from _placeholders(operation)
    yield from _body(operation)
    yield from _entity(operation)
    yield from _recovery(operation)


def _shape(operation: Operation) -> Iterator[str]:
    if not _NAME.fullmatch(operation.name):
        yield "name: lower camel case is needed"
    if operation.method not in METHODS:
        yield f"method: {operation.method!r} is none of {', '.join(sorted(METHODS))}"
    if not _PATH.fullmatch(operation.path):
        yield f"path: {operation.path!r} is not a path below /api"
    for field in ("since", "deprecated", "removed"):
        version = getattr(operation, field)
        if version is not None and not _VERSION.fullmatch(version):
            yield f"{field}: {version!r} is not an API version"
    if operation.stream is not None and operation.stream not in STREAMS:
        yield f"stream: {operation.stream!r} is none of {', '.join(sorted(STREAMS))}"
    if operation.method == "GET":
        reads = operation.recovery is Recovery.IDEMPOTENT and operation.answer is AnswerShape.SYNCHRONOUS
        if not reads or operation.destructive or operation.body_rule is not BodyRule.NONE:
            yield "method: a GET is synchronous, idempotent, without body and never destructive"
    if operation.method == "DELETE" and not operation.destructive:
        yield "destructive: a DELETE removes something"


def _placeholders(operation: Operation) -> Iterator[str]:
    names = [parameter.name for parameter in operation.parameters]
    if PARAMETER.findall(operation.path) != names:
        yield f"parameters: {names} are not those of the path {operation.path}"
    for parameter in operation.parameters:
        if unknown := [kind for kind in parameter.kinds if kind not in KINDS]:
            yield f"parameters: {parameter.name} has unknown kinds {', '.join(unknown)}"
    templates = {"entity": operation.entity or ""}
    if operation.probe is not None:
        templates |= {"probe.path": operation.probe.path, "probe.field": operation.probe.field}
    for field, template in templates.items():
        if foreign := set(PARAMETER.findall(template)) - set(names):
            yield f"{field}: no such parameters: {', '.join(sorted(foreign))}"


def _body(operation: Operation) -> Iterator[str]:
    without = operation.body_rule is BodyRule.NONE
    if without != (operation.media_type is None):
        yield "media_type: with a body, and only with a body"
    if without and operation.body_type is not None:
        yield "body_type: there is no body"
    if operation.media_type is not None and not _MEDIA_TYPE.fullmatch(operation.media_type):
        yield f"media_type: {operation.media_type!r} is not a JSON media type of VCD"
    named = [("created_name", operation.created_name), ("key_field", operation.key_field)]
    named += [("destructive_when", one.field) for one in operation.destructive_when]
    for field, dotted in named:
        if dotted is not None and (without or not _DOTTED.fullmatch(dotted)):
            yield f"{field}: a dotted field of the body is needed"
    if operation.destructive and operation.destructive_when:
        yield "destructive_when: the operation is destructive anyway"


def _entity(operation: Operation) -> Iterator[str]:
    if operation.lane is Lane.ENTITY and operation.entity is None:
        yield "lane: a lane needs an entity"
    if operation.entity is not None and operation.lane is Lane.NONE:
        yield "lane: an operation on an entity runs in its lane"
    if operation.entity is not None and operation.created_name is not None:
        yield "created_name: the Task of a create belongs to the new entity, whose path nobody knows yet"


def _recovery(operation: Operation) -> Iterator[str]:
    probed = operation.probe is not None
    if operation.recovery is Recovery.PROBE and not probed:
        yield "probe: recovery = probe needs one"
    if probed and operation.recovery not in {Recovery.PROBE, Recovery.KEYED}:
        yield "probe: belongs to recovery = probe or keyed"
    if (operation.recovery is Recovery.KEYED) != (operation.key_field is not None):
        yield "key_field: belongs to recovery = keyed, and to it alone"
    if operation.recovery is Recovery.IDEMPOTENT and operation.makes_task and operation.task_sign is TaskSign.NONE:
        yield "recovery: finding no Task of it means nothing, so its repeat would be blind"
    decides = operation.hold_action is not None and operation.hold_action.decides
    if (operation.recovery is Recovery.DECISION) != decides:
        yield "recovery: decision is for what ends a blocking task, and for that alone"
    if operation.probe is not None:
        if not _PATH.fullmatch(operation.probe.path):
            yield f"probe.path: {operation.probe.path!r} is not a path below /api"
        yield from problems_of_probe(operation.probe)


def problems_between(operations: Sequence[Operation]) -> Iterator[str]:
    """What is wrong between operations: names given twice, calls that nothing tells apart."""
    seen: dict[str, Operation] = {}
    calls: dict[tuple[str, str], list[Operation]] = {}
    for operation in operations:
        if operation.name in seen:
            yield f"{operation.name}: name: given twice"
        seen[operation.name] = operation
        same = calls.setdefault((operation.method, PARAMETER.sub("{}", operation.path)), [])
        for other in same:
            if not _told_apart(operation, other):
                yield f"{operation.name}: path: a call of it cannot be told from one of {other.name}"
        same.append(operation)


def _told_apart(one: Operation, other: Operation) -> bool:
    pairs = zip(one.parameters, other.parameters, strict=True)
    return any(not set(first.kinds) & set(second.kinds) for first, second in pairs)
