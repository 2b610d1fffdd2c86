"""What may be asked, by operation and organization. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from bridge.catalogue.operation import Destroys, Operation
from bridge.core.content import Content, dotted, organization_uuid
from bridge.core.events import Reason
from bridge.core.requests import JsonValue
from bridge.core.task import ReferenceDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may be asked. Patterns are shell-style and deny wins.

    An empty ``allow_operations`` allows all operations but those with a stream of their own; one that is not empty
    allows what it names and nothing else. Neither allows what is destructive: that is ``allow_destructive`` alone.
    An empty ``organizations`` allows all, and requests that name none. One that is not empty allows what a request
    shows to be about them: patterns are compared with names, whole ids (or ``*``) with ids, since only VCD knows which
    belong together. Whose a vApp or a vDC is, VCD judges, in the organization whose context the call carries; whose a
    blocking task is, is read before it is decided.
    ``pass_unknown_body_keys``: what a body has beyond VMware's schemas is VCD's to judge.
    """

    allow_destructive: bool = False
    allow_operations: tuple[str, ...] = ()
    deny_operations: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()
    pass_unknown_body_keys: bool = False


ACTION_REQUESTS = "action_requests"
"""The stream of everything that has none of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """Which stream a request has come on, and where the others are: ``topics`` by their names in the catalogue.

    ``apart``: streams that are read, and whose operations are taken there alone.
    """

    here: str = ACTION_REQUESTS
    topics: Mapping[str, str] = field(default_factory=dict)
    apart: frozenset[str] = frozenset()


def refused_operation(
    policy: Policy, operation: Operation, *, destructive: str | None, streams: Streams
) -> Reason | None:
    """Why the operation may not be asked for on this topic, or None.

    ``destructive`` says what makes this call so, or is None where nothing does.
    """
    named = _matches(operation.name, policy.allow_operations)
    if _matches(operation.name, policy.deny_operations):
        message = f"policy.deny_operations names {operation.name}"
        return Reason("operation_not_allowed", message, "operation")
    if streams.here != ACTION_REQUESTS:
        # Who may write there may ask for all that belongs there, and for nothing else.
        fits = operation.stream == streams.here
        return None if fits else Reason("operation_has_own_stream", _hint(operation, streams), "operation")
    if operation.stream is not None and (not named or operation.stream in streams.apart):
        return Reason("operation_has_own_stream", _hint(operation, streams), "operation")
    if policy.allow_operations and not named:
        return Reason("operation_not_allowed", f"policy.allow_operations does not name {operation.name}", "operation")
    if destructive is not None and not policy.allow_destructive:
        message = f"{destructive}, and policy.allow_destructive is off"
        return Reason("destructive_not_allowed", message, "operation")
    return None


def refused_organization(policy: Policy, operation: Operation, content: Content) -> Reason | None:
    """Why a request may not be about the organizations that it is about, or None."""
    if not policy.organizations:
        return None
    if operation.hold_action is not None and content.organization is None:
        return None  # whose it is VCD tells when it is read, before anything is called
    if operation.provider_wide and operation.hold_action is None:
        message = f"{operation.name} reaches beyond single organizations, and policy.organizations allows single ones"
        return Reason("organization_not_allowed", message, "operation")
    named = content.organization
    if named is None or not allows_organization(policy, named):
        asked = repr(named) if named is not None else "a request that names none"
        return Reason("organization_not_allowed", f"policy.organizations does not allow {asked}", "organization")
    for parameter in operation.parameters:
        uuid = content.parameters[parameter.name]
        if "org" in parameter.kinds and not allows_organization(policy, uuid):
            message = f"policy.organizations does not show that {uuid} is allowed: it has to name this id as well"
            return Reason("organization_not_allowed", message, f"parameters.{parameter.name}")
    return None


def allows_organization(policy: Policy, named: str) -> bool:
    """Whether a name, uuid or URN is one of those that ``organizations`` allows, where it is not empty."""
    if not policy.organizations:
        return True
    uuid = organization_uuid(named)
    if uuid is None:
        return _matches(named, policy.organizations)
    # A pattern of names must not meet an id by chance: a* is no organization whose id begins with a.
    return any(pattern == "*" or organization_uuid(pattern) == uuid for pattern in policy.organizations)


def allows_reference(policy: Policy, organization: ReferenceDocument | None) -> bool:
    """Whether an organization as VCD names it is one of those that ``organizations`` allows, by its name or its id."""
    if not policy.organizations or organization is None:
        return not policy.organizations
    named = (organization["name"], (organization["id"] or organization["href"] or "").rpartition("/")[2])
    return any(name and allows_organization(policy, name) for name in named)


# --- destructive ------------------------------------------------------------------------------------------------------


def what_destroys(operation: Operation, body: Mapping[str, JsonValue] | None) -> str | None:
    """What makes this call remove or overwrite something for good, or None. ``body`` None: none, or not read."""
    if operation.destructive:
        return f"{operation.name} is destructive"
    for condition in operation.destructive_when if body is not None else ():
        if _destroys(condition, body):
            return f"{operation.name} with {condition} is destructive"
    return None


def _destroys(condition: Destroys, body: Mapping[str, JsonValue] | None) -> bool:
    if condition.value == ():
        return dotted(body, condition.field) in (None, [], {})
    return any(_meets(value, condition) for value in _values(body or {}, condition.field.split(".")))


def _values(body: Mapping[str, JsonValue], path: list[str]) -> Iterator[JsonValue]:
    """What stands at a dotted field, not null; of each element where there is a list on the way or at the end."""
    level: list[JsonValue] = [dict(body)]
    for name in path:
        level = [one.get(name) for one in _elements(level) if isinstance(one, dict)]
    return (one for one in _elements(level) if one is not None)


def _elements(values: list[JsonValue]) -> Iterator[JsonValue]:
    """Lists taken apart, however deep: strangers write them."""
    left = list(values)
    while left:
        one = left.pop()
        if isinstance(one, list):
            left.extend(one)
        else:
            yield one


def _meets(value: JsonValue, condition: Destroys) -> bool:
    """VCD coerces what it is given, so a flag counts as set unless it is plainly the other way."""
    spelled = str(value).strip().casefold()
    if isinstance(condition.value, bool):
        return spelled != str(not condition.value).casefold()
    return condition.value is None or spelled == str(condition.value).casefold()


# --- patterns ---------------------------------------------------------------------------------------------------------


def _hint(operation: Operation, streams: Streams) -> str:
    stream = operation.stream or ACTION_REQUESTS
    topic = streams.topics.get(stream, stream)
    if operation.name == "cancelTask":
        return f"send a record with kind = cancel and target_request_id on {topic} instead of {operation.name}"
    only = streams.here != ACTION_REQUESTS or stream in streams.apart
    return f"{operation.name} belongs on {topic}{'' if only else ', unless policy.allow_operations names it'}"


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
