"""Which Tasks could be the trace of a call whose answer was lost. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Container
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from bridge.catalogue.operation import Operation, TaskSign
from bridge.core.answers import TaskRecord
from bridge.core.coordinates import OPERATION_KEY_PREFIX
from bridge.core.external_limits import RESERVED_NAMESPACE
from bridge.core.lifecycle import Doubt, Lifecycle
from bridge.core.task import Task
from bridge.core.times import from_millis

CLOCK_MARGIN = timedelta(seconds=30)
"""How much earlier a start window begins: startTime is the server's, whose cells have a clock each, and what VCD tells
of its time has whole seconds."""

LATEST_START = timedelta(minutes=10)
"""How long after its intent a call in doubt may have started a Task: far above what VCD may take to answer."""

_UUID_AT_END = re.compile(
    r"(?:^|[/:-])([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/?$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What a Task of one attempt would look like.

    ``operation_name`` is VCD's own name where it is sourced, else None; ``foreign_names`` are names sourced for other
    operations: a Task that carries one of them is not ours.
    """

    entity: str | None
    created_name: str | None
    user_name: str
    since: datetime
    operation_name: str | None
    foreign_names: Collection[str]
    operation_key: str | None = None
    """The operationKey that the bridge put into the body where the operation takes one."""
    not_ours: frozenset[str] = frozenset()
    """Tasks that VCD named as standing in our way before any of our calls was in doubt."""

    @property
    def is_recognisable(self) -> bool:
        """Whether there is anything to tell its Task by. Otherwise no look for Tasks concludes anything."""
        return not (self.entity is None and self.created_name is None and self.operation_key is None)


def trace_of(
    lifecycle: Lifecycle,
    operation: Operation | None,
    user_name: str,
    sourced_names: Collection[str],
    clock_ahead: timedelta,
) -> Trace:
    """The trace of a lifecycle's calls in doubt.

    Args:
        operation: The catalogue's, which says by what a Task of it is told; None: this version does not have it.
        sourced_names: VCD's own names of all operations where they are sourced.
        clock_ahead: How far VCD's clock is ahead of ours; counts where its time was not known at the intent.
    """
    # The first call in doubt counts: after a repeat, the Task of the call before it may still turn up. Calls before it
    # are known to have started nothing.
    began = lifecycle.vcd_called_at or _first_call(lifecycle) + clock_ahead
    own_name = operation.vcd_operation_name if operation is not None else None
    keyed = operation is None or operation.key_field is not None
    return Trace(
        entity=lifecycle.entity if _told_by(operation, TaskSign.ENTITY) else None,
        created_name=lifecycle.created_name if _told_by(operation, TaskSign.NAME) else None,
        user_name=user_name,
        since=began - CLOCK_MARGIN,
        operation_name=own_name,
        foreign_names=frozenset(sourced_names) - {own_name},
        operation_key=lifecycle.birth.operation_key if keyed else None,
        not_ours=frozenset(lifecycle.blockers),
    )


def _first_call(lifecycle: Lifecycle) -> datetime:
    """When the intent of the first call was decided that may have made its Task."""
    return lifecycle.in_doubt_since or lifecycle.intent_at or lifecycle.received_at


def may_have_made(doubt: Doubt, lifecycle: Lifecycle) -> bool:
    """Whether a Task that a look of ``lifecycle`` finds can be of another's call in doubt as well.

    What has ended, or has a Task, is reckoned with for a while: what it left behind began before that is over.
    """
    if not doubt.is_open and _first_call(lifecycle) - doubt.called_at > LATEST_START:
        return False
    if doubt.entity is not None or lifecycle.entity is not None:
        return None not in (doubt.entity, lifecycle.entity) and same_entity(doubt.entity or "", lifecycle.entity or "")
    return doubt.created_name is not None and doubt.created_name == lifecycle.created_name


def may_be_forgotten(task: Task, remembered_since: datetime) -> bool:
    """Whether a request that had this Task may have ended so long ago that nobody remembers it."""
    end = task.document["endTime"]
    return end is not None and from_millis(end) < remembered_since + CLOCK_MARGIN


def _told_by(operation: Operation | None, sign: TaskSign) -> bool:
    return operation is None or operation.task_sign is sign


def could_be(task: Task, trace: Trace) -> bool:
    """True when nothing about the Task contradicts the trace.

    Missing facts do not contradict: a wrong "no" would repeat a call, a wrong "yes" tells of a Task that our own user
    started on the same entity at the same time.
    """
    return contradiction(task, trace) is None


def contradiction(task: Task, trace: Trace) -> str | None:
    """What about the Task contradicts the trace, in a few words; None: nothing."""
    document = task.document
    user, start, name = document["user"], document["startTime"], document["operationName"]
    if task.id in trace.not_ours:
        return "held the entity before the call"
    if _is_foreign(document["serviceNamespace"]):
        return "an external task"
    if user is not None and user["name"] and user["name"].casefold() != trace.user_name.casefold():
        return f"of user {user['name']}"
    if start is not None and from_millis(start) < trace.since:
        return "began before the call"
    if name and name != trace.operation_name and name in trace.foreign_names:
        return f"is a {name}"
    key = document["operationKey"]
    if is_keyed(task, trace):
        return None
    if key and key.startswith(OPERATION_KEY_PREFIX):
        return "bears another call's key"
    return None if _owner_fits(task, trace) else "of another entity"


def is_keyed(task: Task, trace: Trace) -> bool:
    """Whether the Task carries the operationKey of the call."""
    return trace.operation_key is not None and task.document["operationKey"] == trace.operation_key


def record_could_be(record: TaskRecord, trace: Trace) -> bool:
    """The same judgement on a row of the task query, to decide whether the Task is worth a read."""
    if record.id in trace.not_ours or (record.start_date is not None and record.start_date < trace.since):
        return False
    if _is_foreign(record.service_namespace):
        return False
    if record.operation_name != trace.operation_name and record.operation_name in trace.foreign_names:
        return False
    if trace.entity is not None and record.object_href:
        return same_entity(record.object_href, trace.entity)
    if trace.entity is None and trace.created_name is not None and record.object_name:
        return record.object_name == trace.created_name
    return True


def _is_foreign(service_namespace: str | None) -> bool:
    """An external task: of no call of VCD's own, though our own user may have made it, of the very same entity."""
    return bool(service_namespace) and not (service_namespace or "").casefold().startswith(RESERVED_NAMESPACE)


def _owner_fits(task: Task, trace: Trace) -> bool:
    if trace.entity is None and trace.created_name is None:
        # Nothing to recognise it by: any other Task of our user would do as well, and would be adopted if it is alone.
        return False
    owner = task.document["owner"]
    if owner is None:
        return True
    if trace.entity is not None:
        if not owner["href"] and not owner["id"]:
            return True
        return same_entity(owner["href"] or owner["id"] or "", trace.entity)
    if trace.created_name is not None and owner["name"]:
        return owner["name"] == trace.created_name
    return True


def same_entity(reference: str, entity: str) -> bool:
    """Whether an href or URN names the entity at ``entity`` (a path relative to ``/api``), in any view of it.

    Compares the uuid at the end: ``/admin/vdc/<uuid>``, ``/vdc/<uuid>`` and ``urn:vcloud:vdc:<uuid>`` are one entity.
    What does not end in a uuid is the same as nothing.
    """
    uuid = _uuid_at_end(entity)
    return uuid is not None and _uuid_at_end(urlsplit(reference).path) == uuid


def _uuid_at_end(text: str) -> str | None:
    found = _UUID_AT_END.search(text)
    return found[1].casefold() if found is not None else None


def narrowed(tasks: Collection[Task], trace: Trace, claimed: Container[str]) -> tuple[Task, ...]:
    """The unclaimed Tasks that could be it; those that carry our operationKey alone, where there are such; then, where
    VCD's own name is sourced and seen, only those that carry it."""
    fitting = {task.id: task for task in tasks if task.id not in claimed and could_be(task, trace)}
    keyed = [task for task in fitting.values() if is_keyed(task, trace)]
    if keyed:
        return tuple(keyed)
    if trace.operation_name is not None:
        named = [task for task in fitting.values() if task.document["operationName"] == trace.operation_name]
        if named:
            return tuple(named)
    return tuple(fitting.values())
