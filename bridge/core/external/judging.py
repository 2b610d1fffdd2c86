"""Whether a command is good, by itself and for the external task that it is about. Changes nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from bridge.core.content import HASH_VERSION
from bridge.core.events import Reason
from bridge.core.external import documents
from bridge.core.external_commands import ExternalCommand, ExternalVerb
from bridge.core.external_limits import namespace_objection
from bridge.core.external_rules import ExternalRules
from bridge.core.lifecycle import Ended, Lifecycle, Phase, StoredRequest
from bridge.core.policy import allows_organization
from bridge.core.task import is_final, rank

CODES: dict[str, str] = {
    "not_a_system_administrator": "only a login of the provider may make external tasks",
    "organization_missing": "a create names no organization",
    "namespace_missing": "neither the command nor the settings name a service namespace",
    "namespace_refused": "VCD would not take this service namespace",
    "namespace_not_configured": "the settings do not list this service namespace",
    "external_key_conflict": "the external key belongs to a task with other content, or to one that was adopted",
    "already_finished": "the task has been finished, or has ended",
    "revision_not_higher": "the revision is not higher than that of an earlier command",
    "create_only": "the field can be given on create only",
    "status_goes_backward": "the status comes before the one that the task has",
    "unknown_external_key": "no task with this external key was found on the partition of the record, within the wait",
    "too_many_unshown": "Cloud Director has not shown so many updates of the task yet that no more are taken",
    "state_unreadable": "what is stored about the task cannot be read",
}
"""Reason codes told here -> meaning."""

REMEMBERED_COMMANDS = 32
"""Commands of one task whose repeats are recognised."""
MOST_UNSHOWN = 1000
"""Commands of one task that wait for VCD to show what they ask for; what would be told of each if VCD refused it is
kept. A finish is always taken."""

ANOTHER_KEY = "a reopened ticket needs another external key: this one rests for intake.dedupe_window_days after the end"
"""What to do where a task has ended."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """The same command was taken before."""


def content_hash(command: ExternalCommand) -> str:
    """Of everything a create asks for; times of liveness and the correlation id do not count."""
    counted: dict[str, Any] = {
        "service_namespace": command.service_namespace,
        "organization": command.organization,
        "operation": command.operation,
        "operationName": command.operation_name,
        "details": command.details,
        "description": command.description,
        "owner": command.owner,
        "user": command.user,
        "status": command.status,
        "progress": command.progress,
        "error": command.error,
        "result": command.result,
        "params": documents.free(command.params),
    }
    text = json.dumps(counted, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return f"{HASH_VERSION}:{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()}"


def fingerprint(command: ExternalCommand) -> str | None:
    """What a repeat of this command has too; None for one that carries nothing to tell a repeat by."""
    if command.command_id is not None:
        # One id for a ticket's create, update and finish is no repeat: a finish must not be taken for its create.
        named = f"id:{command.verb}:{command.command_id}"
    elif command.revision is not None:
        named = f"revision:{command.revision}:{command.verb}:{content_hash(command)}"
    else:
        return None
    return hashlib.sha256(named.encode(errors="surrogatepass")).hexdigest()[:16]


def namespace_of(command: ExternalCommand, rules: ExternalRules) -> str | Reason:
    """The service namespace of a create, or why it has none."""
    namespace = command.service_namespace if command.service_namespace is not None else rules.default_namespace
    if namespace is None:
        message = "the command names no service namespace, and external_tasks.service_namespace is not set"
        return Reason("namespace_missing", message, "serviceNamespace")
    if (objection := namespace_objection(namespace)) is not None:
        return Reason("namespace_refused", f"the serviceNamespace {objection}", "serviceNamespace")
    if namespace not in rules.namespaces:
        message = f"service namespace {namespace!r} is not one of external_tasks.namespaces: add it, or name one"
        return Reason("namespace_not_configured", message, "serviceNamespace")
    return namespace


def judge_create(command: ExternalCommand, rules: ExternalRules, *, is_provider: bool) -> Reason | None:
    """Why a create cannot be taken, whatever else is known."""
    if not is_provider:
        message = "external tasks are made by system administrators only: log in with vcd.organization = System"
        return Reason("not_a_system_administrator", message)
    if command.organization is None:
        message = "a create names the organization in whose list the Task stands"
        return Reason("organization_missing", message, "organization")
    if not allows_organization(rules.policy, command.organization):
        message = f"policy.organizations does not allow {command.organization!r}"
        return Reason("organization_not_allowed", message, "organization")
    namespace = namespace_of(command, rules)
    return namespace if isinstance(namespace, Reason) else None


def judge_change(
    command: ExternalCommand, known: Lifecycle | Ended, request: StoredRequest | None
) -> Reason | Repeat | None:
    """Why an update or finish changes nothing of this task, or None: it is good."""
    print_ = fingerprint(command)
    if print_ is not None and print_ in known.commands:
        return Repeat()
    if isinstance(known, Ended) or not known.is_open:
        message = f"the task of {known.external_key!r} has already ended ({known.outcome}); {ANOTHER_KEY}"
        return Reason("already_finished", message)
    # A parked task waits for a person's word, and a finish is one; also while it is looked for once more.
    rests = known.phase is Phase.PARKED or known.parked_from is not None
    resolves = rests and command.verb is ExternalVerb.FINISH
    if is_final(known.wanted_status) and not resolves:
        message = f"the task of {known.external_key!r} is being ended as {known.wanted_status}; {ANOTHER_KEY}"
        return Reason("already_finished", message)
    if command.revision is not None and known.revision is not None and command.revision <= known.revision:
        message = f"revision {command.revision} is not higher than {known.revision}, which was taken: give a higher one"
        return Reason("revision_not_higher", message, "revision")
    if request is None:
        message = "what is stored about the task cannot be read; it is looked for in VCD: send the command again later"
        return None if resolves and known.phase is Phase.PARKED else Reason("state_unreadable", message)
    return _too_many(command, known) or _create_only(command, known, request) or _backward(command, known)


def _too_many(command: ExternalCommand, known: Lifecycle) -> Reason | None:
    asks = command.verb is not ExternalVerb.FINISH and documents.asked(command)
    if not asks or len(known.unshown) < MOST_UNSHOWN:
        return None
    message = f"Cloud Director has not shown the last {MOST_UNSHOWN} updates of {known.external_key!r} yet"
    return Reason("too_many_unshown", message)


def _create_only(command: ExternalCommand, known: Lifecycle, request: StoredRequest) -> Reason | None:
    document = documents.read(request.body)
    changes = {
        "organization": command.organization is not None and not _same_organization(command.organization, known),
        "serviceNamespace": command.service_namespace not in {None, known.service_namespace},
        "owner": command.owner is not None and not documents.names_same(document, "owner", command.owner),
        "user": command.user is not None and not documents.names_same(document, "user", command.user),
        "params": command.params is not None and not documents.same_free(document, "params", command.params),
    }
    for field, changed in changes.items():
        if changed:
            message = f"VCD takes {field} when the Task is made, and never changes it: leave it out"
            return Reason("create_only", message, field)
    return None


def _same_organization(given: str, known: Lifecycle) -> bool:
    return known.organization is None or documents.same_name(given, known.organization)


def _backward(command: ExternalCommand, known: Lifecycle) -> Reason | None:
    if command.verb is ExternalVerb.FINISH or command.status is None or known.wanted_status is None:
        return None
    before, after = rank(known.wanted_status), rank(command.status)
    if before is not None and after is not None and after < before:
        message = f"status {command.status} comes before {known.wanted_status}, which the task has: leave it out"
        return Reason("status_goes_backward", message, "status")
    return None
