"""What may be asked, by operation and organization. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bridge.catalogue.operation import Operation
from bridge.core.events import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may be asked. Patterns are shell-style and deny wins.

    An empty ``allow_operations`` allows all operations but those with a stream of their own; one that is not empty
    allows what it names and nothing else. Neither allows what is destructive: that is ``allow_destructive`` alone.
    An empty ``organizations`` allows all, and requests that name none.
    """

    allow_destructive: bool = False
    allow_operations: tuple[str, ...] = ()
    deny_operations: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()


def refused_operation(
    policy: Policy, operation: Operation, *, destructive: str | None, stream_topics: Mapping[str, str]
) -> Reason | None:
    """Why the operation may not be asked for on this topic, or None.

    ``destructive`` says what makes this call so, or is None where nothing does.
    """
    named = _matches(operation.name, policy.allow_operations)
    if _matches(operation.name, policy.deny_operations):
        message = f"policy.deny_operations names {operation.name}"
        return Reason("operation_not_allowed", message, "operation")
    if operation.stream is not None and not named:
        return Reason("operation_has_own_stream", _hint(operation, operation.stream, stream_topics), "operation")
    if policy.allow_operations and not named:
        return Reason("operation_not_allowed", f"policy.allow_operations does not name {operation.name}", "operation")
    if destructive is not None and not policy.allow_destructive:
        message = f"{destructive}, and policy.allow_destructive is off"
        return Reason("destructive_not_allowed", message, "operation")
    return None


def refused_organization(policy: Policy, organization: str | None, also_known_as: str | None) -> Reason | None:
    """Why requests for this organization may not be made, or None. ``also_known_as``: its bare uuid, where known."""
    if not policy.organizations:
        return None
    names = [name for name in (organization, also_known_as) if name is not None]
    if any(_matches(name, policy.organizations) for name in names):
        return None
    asked = f"{organization!r}" if organization is not None else "a request that names none"
    message = f"policy.organizations does not allow {asked}"
    return Reason("organization_not_allowed", message, "organization")


def _hint(operation: Operation, stream: str, stream_topics: Mapping[str, str]) -> str:
    topic = stream_topics.get(stream, stream)
    if operation.name == "cancelTask":
        return f"send a record with kind = cancel and target_request_id on {topic} instead of {operation.name}"
    return f"{operation.name} belongs on {topic}, unless policy.allow_operations names it"


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
