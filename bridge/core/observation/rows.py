"""A row of the task query as a Task: what rows do not show is None in it."""

from __future__ import annotations

from datetime import datetime

from bridge.core.answers import TaskRecord
from bridge.core.task import ReferenceDocument, Task, empty_document
from bridge.core.times import to_millis


def as_task(row: TaskRecord) -> Task:
    """The row's facts in the fields of a Task's document."""
    document = empty_document()
    document["id"] = row.id
    document["status"] = row.status
    document["progress"] = row.progress
    document["operation"] = row.operation
    document["operationName"] = row.operation_name
    document["serviceNamespace"] = row.service_namespace
    document["startTime"] = _milliseconds(row.start_date)
    document["endTime"] = _milliseconds(row.end_date)
    document["owner"] = _reference(row.object_href, row.object_name)
    document["user"] = _reference(None, row.owner_name)
    urn = f"urn:vcloud:org:{row.organization}" if row.organization is not None else None
    document["organization"] = _reference(urn, row.organization_name)
    return Task(document)


def reference_uuid(reference: ReferenceDocument | None) -> str | None:
    """Bare uuid of what is referred to, by its URN or its href; None: it is not told."""
    told = (reference["id"] or reference["href"]) if reference is not None else None
    return told.rpartition(":")[2].rpartition("/")[2].casefold() if told is not None else None


def _reference(told: str | None, name: str | None) -> ReferenceDocument | None:
    """``told``: an href or, in rows with ids, a URN."""
    if told is None and name is None:
        return None
    is_href = told is not None and "://" in told
    return {"href": told if is_href else None, "id": None if is_href else told, "type": None, "name": name}


def _milliseconds(moment: datetime | None) -> int | None:
    return to_millis(moment) if moment is not None else None
