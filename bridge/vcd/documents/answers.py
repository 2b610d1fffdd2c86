"""Every shape in which VCD answers a call, read from every operation alike.

Shapes: a Task; an entity that lists its Task; 202 with an empty body and ``Location``; 200 with a Task-location header;
synchronous 200, 201 and 204. Source: the operations' pages of the VCD API, go-vcloud-director govcd/openapi.go, the
RDE hooks document of cloud-director-extension-standard-library.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bridge.core.answers import Accepted, CallAnswer, Done, OutcomeUnknown
from bridge.core.task import Task, task_at
from bridge.vcd.documents.documents import Document, UnreadableBody, read_body
from bridge.vcd.documents.errors import answer_of, read_refusal
from bridge.vcd.documents.wire import is_task, read_task, read_tasks_in_progress, task_href, task_urn, task_uuid_of_href

REQUEST_ID = "x-vmware-vcloud-request-id"

_TASK_HEADERS = (
    "x-vmware-vcloud-task-location",
    "x-vmware-vcould-task-location",  # the spelling of older builds
    "x-vmware-vcloud-task-href",
    "location",
)


def read_call_answer(
    status: int, headers: Mapping[str, str], body: bytes, *, base_url: str, user_name: str, now: datetime
) -> CallAnswer:
    """The answer to a call of ``user_name``. ``headers`` by lower-case name."""
    request_id = headers.get(REQUEST_ID)
    if not 200 <= status < 300:
        return answer_of(read_refusal(status, headers, body), now, request_id)
    located = task_of_headers(headers, base_url)
    try:
        document = read_body(headers.get("content-type"), body)
    except UnreadableBody as error:
        if located is not None:
            return Accepted(task=located, http_status=status, vcd_request_id=request_id)
        message = f"HTTP {status} with a body that cannot be read: {error}"
        return OutcomeUnknown(code="unreadable_answer", message=message, http_status=status, vcd_request_id=request_id)
    is_a_task = document is not None and is_task(document.content, document.root, headers.get("content-type"))
    if document is None:
        task = located
    elif is_a_task:
        task = read_task(document.content, base_url) or located
    else:
        task = _of_entity(document, located, base_url=base_url, user_name=user_name, made=status != 200)
    if task is not None:
        return Accepted(task=task, http_status=status, vcd_request_id=request_id)
    if status in {200, 201, 204} and not is_a_task:
        return Done(http_status=status, vcd_request_id=request_id)
    message = f"HTTP {status} {'with a Task that has neither id nor address' if is_a_task else 'names no Task'}"
    return OutcomeUnknown(code="accepted_without_task", message=message, http_status=status, vcd_request_id=request_id)


def task_of_headers(headers: Mapping[str, str], base_url: str) -> Task | None:
    """The Task that a header points at; its host does not matter, it is read on our own."""
    for name in _TASK_HEADERS:
        uuid = task_uuid_of_href(headers.get(name))
        if uuid is not None:
            return task_at(task_urn(uuid), task_href(base_url, uuid))
    return None


def _of_entity(document: Document, located: Task | None, *, base_url: str, user_name: str, made: bool) -> Task | None:
    listed = read_tasks_in_progress(document.content, base_url)
    if located is not None:
        return next((task for task in listed if task.id == located.id), located)
    return _own(listed, user_name, made=made)


def _own(listed: tuple[Task, ...], user_name: str, *, made: bool) -> Task | None:
    """The Task of this call among those that the entity in the answer lists.

    A new entity lists the Task that makes it. An entity answered with 200 may list finished Tasks of earlier calls and
    running ones of others: only one that still runs and is not another user's can be this call's, as an entity has one
    changing Task at a time.
    """
    running = [task for task in listed if not task.is_final]
    candidates = (running or list(listed)) if made else [task for task in running if _may_be_of(user_name, task)]
    return max(candidates, key=lambda task: task.document["startTime"] or 0, default=None)


def _may_be_of(user_name: str, task: Task) -> bool:
    user = task.document["user"]
    name = user["name"] if user is not None else None
    return name is None or name.casefold() == user_name.casefold()
