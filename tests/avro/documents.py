"""Hypothesis strategies for everything that the codecs carry."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from bridge.core.blocking_task import BlockingTask
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.events import Change, Outcome, Reason, StatusEvent
from bridge.core.lifecycle import (
    OBSERVATION_KINDS,
    Cursor,
    Doubt,
    Ended,
    Kind,
    Lifecycle,
    Phase,
    StoredRequest,
    Unshown,
)
from bridge.core.observation_parts import OrderPart, SightedPart
from bridge.core.task import Task, task_at
from bridge.ports import Delivery, Headers

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
OPTIONAL_TEXT = st.none() | TEXT
MILLIS = st.integers(0, 4_000_000_000_000)
TIMES = MILLIS.map(lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms))
OPTIONAL_TIMES = st.none() | TIMES
INTS = st.integers(-(2**31), 2**31 - 1)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
JSON_VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)
JSON_OBJECTS = st.dictionaries(TEXT, JSON_VALUES, max_size=4)
REQUEST_IDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=256).filter(str.isprintable)
BIRTHS = st.builds(
    Birth, st.from_regex(r"[a-zA-Z0-9._-]{1,20}", fullmatch=True), st.integers(0, 99), st.integers(0, 2**40)
)


def delivery(value: bytes | None, headers: Headers = (), key: bytes | None = b"key") -> Delivery:
    """A record of ``vcd.action-requests``."""
    partition = TopicPartition("vcd.action-requests", 3)
    return Delivery(partition=partition, epoch=1, offset=7, key=key, value=value, headers=headers, timestamp_ms=0)


def json_delivery(document: Any, headers: Headers = ()) -> Delivery:
    return delivery(json.dumps(document).encode(), headers)


def _record(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(members)


REFERENCES = _record(href=OPTIONAL_TEXT, id=OPTIONAL_TEXT, type=OPTIONAL_TEXT, name=OPTIONAL_TEXT)
_ERROR_TEXTS = {
    "message": OPTIONAL_TEXT,
    "majorErrorCode": st.none() | INTS,
    "minorErrorCode": OPTIONAL_TEXT,
    "vendorSpecificErrorCode": OPTIONAL_TEXT,
}
ERRORS = _record(**_ERROR_TEXTS, tenantError=st.none() | _record(**_ERROR_TEXTS))
LINKS = _record(**dict.fromkeys(("href", "id", "type", "name", "rel", "model"), OPTIONAL_TEXT))
VC_TASKS = _record(
    **dict.fromkeys(
        (
            "name", "moref", "status", "description", "errorMessage", "objectName", "objectType", "objectMoref",
            "virtualCenterID",
        ),
        OPTIONAL_TEXT,
    ),
    startTime=st.none() | MILLIS,
    endTime=st.none() | MILLIS,
)  # fmt: skip
TASK_DOCUMENTS = _record(
    **dict.fromkeys(
        (
            "id", "href", "type", "name", "description", "status", "operation", "operationName", "operationKey",
            "serviceNamespace", "details", "params", "other",
        ),
        OPTIONAL_TEXT,
    ),
    **dict.fromkeys(("startTime", "endTime", "expiryTime"), st.none() | MILLIS),
    cancelRequested=st.none() | st.booleans(),
    progress=st.none() | INTS,
    **dict.fromkeys(("owner", "user", "organization"), st.none() | REFERENCES),
    error=st.none() | ERRORS,
    result=st.none() | _record(resultContent=OPTIONAL_TEXT, resultReference=st.none() | REFERENCES),
    vcTaskList=st.none() | st.lists(VC_TASKS, max_size=2),
    tasks=st.none() | st.lists(REFERENCES, max_size=2),
    link=st.none() | st.lists(LINKS, max_size=2),
)  # fmt: skip
"""Task documents as ``bridge.core.task.TaskDocument`` has them."""

EVENTS = st.builds(
    StatusEvent,
    birth=BIRTHS,
    sequence=st.integers(1, 2**40),
    lifecycle=st.sampled_from(("action_request", "external_task", "observation")),
    key=st.none() | st.binary(max_size=20),
    request_id=st.none() | REQUEST_IDS,
    external_key=OPTIONAL_TEXT,
    correlation_id=OPTIONAL_TEXT,
    requested_by=OPTIONAL_TEXT,
    catalogue_operation=OPTIONAL_TEXT,
    change=st.sampled_from(Change),
    outcome=st.none() | st.sampled_from(Outcome),
    reason=st.none() | st.builds(Reason, TEXT, TEXT, OPTIONAL_TEXT),
    vcd_error=st.none() | ERRORS,
    evidence=st.lists(TEXT, max_size=3).map(tuple),
    http_status=st.none() | INTS,
    vcd_request_id=OPTIONAL_TEXT,
    observed_at=TIMES,
    previous_status=OPTIONAL_TEXT,
    task=st.none() | st.builds(Task, TASK_DOCUMENTS),
    traceparent=st.none() | st.just("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    truncated=st.booleans(),
)

BLOCKING_TASKS = st.builds(
    BlockingTask,
    id=TEXT,
    **dict.fromkeys(("href", "operation", "timeout_action"), OPTIONAL_TEXT),
    **dict.fromkeys(("owner", "organization", "user"), st.none() | REFERENCES),
    **dict.fromkeys(("created", "timeout"), OPTIONAL_TIMES),
    task=st.none() | st.builds(task_at, TEXT, OPTIONAL_TEXT),
)
ORDER_PARTS = st.builds(
    OrderPart,
    organization_uuid=OPTIONAL_TEXT,
    **dict.fromkeys(("since", "position", "floor"), OPTIONAL_TIMES),
    blocking_tasks=st.booleans(),
)
SIGHTED_PARTS = st.builds(
    SightedPart, order=BIRTHS, id=TEXT, ended_at=OPTIONAL_TIMES, blocking=st.none() | BLOCKING_TASKS
)


def _observing(lifecycle: Lifecycle, order: OrderPart, sighted: SightedPart) -> Lifecycle:
    if lifecycle.kind not in OBSERVATION_KINDS:
        return lifecycle
    return replace(lifecycle, observation=order if lifecycle.kind is Kind.OBSERVATION else sighted)


_LIFECYCLES = st.builds(
    Lifecycle,
    birth=BIRTHS,
    kind=st.sampled_from(Kind),
    phase=st.sampled_from(Phase),
    sequence=st.integers(0, 2**40),
    request_id=st.none() | REQUEST_IDS,
    key=st.none() | st.binary(max_size=20),
    received_at=TIMES,
    **dict.fromkeys(
        (
            "correlation_id", "requested_by", "traceparent", "operation", "organization", "entity", "lane",
            "created_name", "waiting_for", "unsure_code", "task_id", "task_href", "status", "vcd_request_id",
            "parked_reason", "target_request_id", "control", "resolution_outcome", "resolution_task_href",
            "resolution_reason", "resolution_decided_by", "external_key", "service_namespace", "wanted_status",
            "ends_because", "refused_code", "refused_message",
        ),
        OPTIONAL_TEXT,
    ),
    **dict.fromkeys(
        (
            "start_by", "watch_until", "wake_at", "intent_at", "first_intent_at", "parked_at", "ended_at", "heard_at",
            "sent_at", "unsure_since", "vcd_called_at",
        ),
        OPTIONAL_TIMES,
    ),
    **dict.fromkeys(("attempt", "tries", "waits", "looks"), st.integers(0, 2**31 - 1)),
    **dict.fromkeys(("wanted", "sending", "shown"), st.integers(0, 2**60)),
    revision=st.none() | st.integers(-(2**63), 2**63 - 1),
    expire_after_seconds=st.none() | st.integers(1, 2**31),
    commands=st.lists(TEXT, max_size=3).map(tuple),
    unshown=st.lists(
        st.builds(
            Unshown,
            birth=BIRTHS,
            change=st.integers(0, 2**60),
            fingerprint=OPTIONAL_TEXT,
            revision_before=st.none() | st.integers(-(2**63), 2**63 - 1),
            correlation_id=OPTIONAL_TEXT,
        ),
        max_size=3,
    ).map(tuple),
    **dict.fromkeys(
        ("cancel_requested", "cancel_wanted", "cancel_sent", "overdue", "lane_released", "left_over"), st.booleans()
    ),
    content_hash=TEXT,
    rank=st.integers(-1, 4),
    unknown_told=st.lists(TEXT, max_size=3).map(tuple),
    progress_told=st.none() | INTS,
    http_status=st.none() | INTS,
    evidence=st.lists(TEXT, max_size=3).map(tuple),
    parked_from=st.none() | st.sampled_from(Phase),
    outcome=st.none() | st.sampled_from(Outcome),
)  # fmt: skip
LIFECYCLES = st.builds(_observing, _LIFECYCLES, ORDER_PARTS, SIGHTED_PARTS)
STORED_REQUESTS = st.builds(
    StoredRequest,
    birth=BIRTHS,
    method=TEXT,
    path=TEXT,
    query=st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple),
    media_type=OPTIONAL_TEXT,
    body=OPTIONAL_TEXT,
)
DOUBTS = st.builds(Doubt, birth=BIRTHS, entity=OPTIONAL_TEXT, created_name=OPTIONAL_TEXT, called_at=TIMES)
CURSORS = st.builds(Cursor, topic_id=TEXT, next_offset=st.integers(0, 2**60), format_version=st.just(1), writer=TEXT)
ENDINGS = st.builds(
    Ended,
    birth=BIRTHS,
    request_id=st.none() | REQUEST_IDS,
    content_hash=TEXT,
    correlation_id=OPTIONAL_TEXT,
    outcome=st.sampled_from(Outcome),
    ended_at=TIMES,
    task_id=OPTIONAL_TEXT,
    sequence=st.integers(0, 2**40),
)
