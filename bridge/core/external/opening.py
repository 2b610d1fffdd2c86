"""A record, or a Task that nobody has, opens the lifecycle of an external task; a command waits for one."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from bridge.core.commands import Decision, Follow, ReadReferences
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.events import Change
from bridge.core.external import documents
from bridge.core.external.judging import content_hash, fingerprint
from bridge.core.external.lifecycle import end_it, whole_seconds
from bridge.core.external.marks import Marker
from bridge.core.external.showing import show_again
from bridge.core.external_commands import ExternalCommand, ExternalVerb
from bridge.core.external_rules import ExternalRules, OrphanPolicy
from bridge.core.lifecycle import Kind, Lifecycle, Phase, StoredRequest
from bridge.core.opening import Asker
from bridge.core.story import Story
from bridge.core.task import Task


def open_external(
    now: datetime, who: Asker, command: ExternalCommand, namespace: str, external: ExternalRules
) -> Decision:
    """A new external task: what it names is read first."""
    document = documents.created(command, namespace, Marker(external.group_id, who.birth.topic_partition))
    expire_after = command.expire_after or external.namespaces[namespace]
    taken = fingerprint(command)
    lifecycle = Lifecycle(
        birth=who.birth,
        kind=Kind.EXTERNAL_TASK,
        phase=Phase.RESOLVING,
        request_id=None,
        key=None,
        external_key=command.external_key,
        correlation_id=command.correlation_id,
        traceparent=command.traceparent,
        organization=command.organization,
        content_hash=content_hash(command),
        service_namespace=namespace,
        received_at=now,
        heard_at=now,
        expire_after_seconds=whole_seconds(expire_after),
        wanted=1,
        wanted_status=documents.status_of(document),
        revision=command.revision,
        commands=(taken,) if taken is not None else (),
    )
    request = StoredRequest(
        birth=who.birth,
        method="POST",
        path="/tasksList/",
        query=(),
        media_type=documents.MEDIA_TYPE,
        body=documents.write(document),
    )
    return Decision(lifecycle, commands=(ReadReferences(),), request=request)


def open_waiting(now: datetime, who: Asker, command: ExternalCommand, external: ExternalRules) -> Decision:
    """An update or finish that found no task: it waits, durable and bounded."""
    lifecycle = Lifecycle(
        birth=who.birth,
        kind=Kind.CONTROL,
        phase=Phase.PENDING,
        request_id=None,
        key=None,
        external_key=command.external_key,
        correlation_id=command.correlation_id,
        traceparent=command.traceparent,
        received_at=now,
        wake_at=now + external.create_wait,
        target_request_id=command.external_key,
        control=command.verb.value,
    )
    request = StoredRequest(birth=who.birth, method="", path="", query=(), media_type=None, body=command_text(command))
    return Decision(lifecycle, request=request)


def open_orphan(
    now: datetime, partition: TopicPartition, external_key: str, task: Task, external: ExternalRules
) -> Decision:
    """A running Task with our mark that nobody has: taken over as it is, or ended, as configured.

    No record opened it. Its birth has an offset that no record can have, the same whoever finds the Task.
    """
    uuid = task.id.rpartition(":")[2]
    birth = Birth(partition.topic, partition.partition, -1 - (int(uuid.replace("-", ""), 16) >> 65))
    document = documents.shown(task, external_key, Marker(external.group_id, partition))
    namespace = task.document["serviceNamespace"] or ""
    lifecycle = Lifecycle(
        birth=birth,
        kind=Kind.EXTERNAL_TASK,
        phase=Phase.FOLLOWING,
        request_id=None,
        key=None,
        external_key=external_key,
        service_namespace=namespace,
        received_at=now,
        heard_at=now,
        expire_after_seconds=whole_seconds(external.silence(namespace)),
        wanted=1,
        sending=1,
        shown=1,
        wanted_status=task.status,
        task_id=task.id,
        task_href=task.href,
    )
    request = documents.update_of(birth, task, document)
    story = Story(now, lifecycle, request=request)
    story.notes.append("external_adopted")
    story.tell(Change.ACCEPTED, task=task)
    story.told_task(task)
    story.commands.append(Follow())
    if external.orphans is OrphanPolicy.END:
        story.become(left_over=True)
        end_it(
            story, request, external.expired_status, "orphaned", "ended by the bridge: nobody has this task any more"
        )
        show_again(story, external)
    return story.decision()


def command_text(command: ExternalCommand) -> str:
    """A command as JSON text, for the store."""
    values: dict[str, Any] = asdict(command)
    values["verb"] = command.verb.value
    values["expire_after"] = command.expire_after.total_seconds() if command.expire_after is not None else None
    return json.dumps({name: value for name, value in values.items() if value is not None}, separators=(",", ":"))


def command_of(text: str) -> ExternalCommand:
    """The command of ``command_text``."""
    values = json.loads(text)
    values["verb"] = ExternalVerb(values["verb"])
    if "expire_after" in values:
        values["expire_after"] = timedelta(seconds=values["expire_after"])
    return ExternalCommand(**values)
