"""Collects what an outsider can read of a group of bridges, for the checker."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, Message
from confluent_kafka import TopicPartition as ClientPartition

from bridge.catalogue.load import load
from bridge.kafka.messages import headers_of
from bridge.kafka.producing import WRITER_HEADER
from bridge.ports import Headers, StoredRecord
from tests.support.changelog import ended_of, write_of
from tests.support.checker.evidence import DeadLetter, EndedRecord, ExternalTask, LedgerCall, Place, Raw, VcdTask, Write
from tests.support.kafka import read
from tests.support.simulator import Simulator

ERROR_HEADER = "__connect.errors."
_EXTERNAL_CALLS = {"createExternalTask", "updateTask"}
_TASK_PATH = re.compile(r"/task/([0-9a-f-]{36})")
"""A Task is asked for by its uuid and named by its URN."""
Ours = Callable[[StoredRecord], StoredRecord | None]
"""A store record as this version would have written it; None: it is no evidence."""
_MAKE_TASKS = frozenset(operation.name for operation in load().values() if operation.makes_task)


def as_it_is(record: StoredRecord) -> StoredRecord:
    return record


def changelog_of(bootstrap: str, changelog: str, topic: str, ours: Ours = as_it_is) -> list[Write]:
    """Every committed record of an input's changelog that was not compacted yet: the tests' are not."""
    found = ((message, ours(_stored(message))) for message in read(bootstrap, changelog))
    return [_write(message, record, topic) for message, record in found if record is not None]


def endings_of(bootstrap: str, topic: str, ours: Ours = as_it_is) -> list[EndedRecord]:
    found = (ours(_stored(message)) for message in read(bootstrap, topic))
    return [ended_of(record) for record in found if record is not None]


def dead_letters_of(bootstrap: str, topic: str) -> list[DeadLetter]:
    return [DeadLetter(coordinates(headers_of(one)), raw_of(one)) for one in read(bootstrap, topic)]


def raw_of(message: Message) -> Raw:
    return Raw(message.key(), message.value(), headers_of(message))


def coordinates(headers: Headers) -> str:
    """Where the record of a dead letter stood."""
    told = dict(headers)
    return "/".join((told[ERROR_HEADER + part] or b"").decode() for part in ("topic", "partition", "offset"))


def offsets_of(bootstrap: str, group: str, topic: str, partitions: int) -> dict[Place, int]:
    """The group's committed offsets; partitions without one are left out."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
    try:
        asked = [ClientPartition(topic, number) for number in range(partitions)]
        found = consumer.committed(asked, timeout=20)
        return {(topic, one.partition): one.offset for one in found if one.offset >= 0}
    finally:
        consumer.close()


def ledger_of(simulator: Simulator, user: str) -> list[LedgerCall]:
    """Calls of requests, and whatever else could change something; those of ``user`` are the bridges' too."""
    rows = simulator.calls()
    return [_call(row, user) for row in rows if row["changes"] or (row["client_request_id"] or "").startswith("vb-")]


def tasks_of(simulator: Simulator, calls: Sequence[LedgerCall]) -> dict[str, VcdTask]:
    """All Tasks as VCD has them now; those that calls started and VCD shows no more are invisible."""
    simulator.settings(query_lag_seconds=0)
    client = simulator.log_in("administrator@System")
    found: dict[str, VcdTask] = {}
    page, total = 1, 1
    while len(found) < total and page <= 1 + total // 128:
        query = f"/api/query?type=adminTask&format=idrecords&pageSize=128&page={page}"
        answer: Mapping[str, Any] = client.get(query).json()
        total, page = int(answer["total"]), page + 1
        found |= {row["id"]: VcdTask(status=row["status"], ended=_instant(row["endDate"])) for row in answer["record"]}
    started = {call.task_id for call in calls if call.started and call.task_id is not None}
    return found | {task_id: VcdTask(status="gone", visible=False) for task_id in started - set(found)}


def _instant(date: str | None) -> float | None:
    return datetime.fromisoformat(date).timestamp() if date is not None else None


def external_tasks_of(simulator: Simulator) -> list[ExternalTask]:
    """All that VCD has, hidden ones too, whoever made them."""
    return [
        ExternalTask(
            task_id=one["task"]["id"],
            status=one["task"]["status"],
            operation=one["task"]["operation"] or "",
            shown=one["task"],
            seeded=one["seeded"],
        )
        for one in simulator.external_tasks()
    ]


def _write(message: Message, record: StoredRecord, topic: str) -> Write:
    headers = record.headers
    kind, milliseconds = message.timestamp()
    assert kind != TIMESTAMP_NOT_AVAILABLE
    return write_of(
        record,
        record.value or None,
        topic=topic,
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        at=milliseconds / 1000,
        writer=(dict(headers).get(WRITER_HEADER) or b"").decode(),
    )


def _stored(message: Message) -> StoredRecord:
    return StoredRecord(message.key() or b"", message.value() or b"", headers_of(message))


def _has_task(row: Mapping[str, Any], call_id: str) -> bool:
    """Whether the Task that a row names is one that the call started, changed, or asks to cancel for a request."""
    return bool(row["task"]) and (row["operation"] in {*_MAKE_TASKS, "updateTask"} or "-cancel" in call_id)


def _call(row: Mapping[str, Any], user: str) -> LedgerCall:
    call_id = row["client_request_id"] or ""
    return LedgerCall(
        number=row["sequence"],
        at=datetime.fromisoformat(row["time"]).timestamp(),
        call_id=call_id,
        operation=row["operation"] or "",
        status=row["status"],
        effect=bool(row["effect"]),
        task_id=f"urn:vcloud:task:{row['task']}" if _has_task(row, call_id) else None,
        ours=call_id.startswith("vb-") or row["user"] == user,
        delayed=row["fault"] == "delay",
        task_status=row["task_status"],
        task_operation=row["task_operation"],
        body=row["body"] if row["operation"] in _EXTERNAL_CALLS else None,
        path=_TASK_PATH.sub(r"/task/urn:vcloud:task:\1", row["path"].removeprefix("/api")),
    )
