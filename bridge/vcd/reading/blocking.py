"""Blocking tasks: operations that VCD holds until somebody decides. For logins of the provider.

Source: BlockingTaskType of taskExtensionRequest.xsd, QueryResultBlockingTaskRecordType, GET-BlockingTask.
"""

from __future__ import annotations

from bridge.core.answers import (
    BlockingAbsent,
    BlockingPage,
    BlockingRead,
    BlockingReading,
    ReadRefused,
    Unavailable,
)
from bridge.core.blocking_task import BlockingTask
from bridge.core.task import ReferenceDocument, Task, task_at
from bridge.vcd.config import VcdConfig
from bridge.vcd.documents.errors import Refusal
from bridge.vcd.documents.lenient import Json, instant, members, name, uuid_in
from bridge.vcd.documents.wire import read_reference, task_href, task_urn, task_uuid_of_href
from bridge.vcd.reading.queries import MAX_PAGE_SIZE, records_of, total_of
from bridge.vcd.reading.reader import GONE, Reader

URN = "urn:vcloud:blockingTask:"


class Blocking:
    """Reads them one by one, or all there are."""

    def __init__(self, config: VcdConfig, reader: Reader) -> None:
        self._base_url = config.url
        self._reader = reader

    async def one(self, blocking_task_id: str) -> BlockingReading:
        """By its URN or bare uuid."""
        uuid = uuid_in(blocking_task_id)
        if uuid is None:
            return BlockingAbsent(404, f"{blocking_task_id!r} is not the id of a blocking task")
        answer = await self._reader.get("readBlockingTask", f"/api/admin/extension/blockingTask/{uuid}")
        if isinstance(answer, Unavailable):
            return answer
        if isinstance(answer, Refusal):
            kind = BlockingAbsent if answer.status in GONE else ReadRefused
            return kind(answer.status, answer.message)
        document = answer[0].content
        if uuid_in(name(document.get("id")) or name(document.get("href"))) != uuid:
            return Unavailable("the answer is not that blocking task")
        return BlockingRead(self._document(document, uuid))

    async def page(self, number: int) -> BlockingPage | ReadRefused | Unavailable:
        """Page ``number`` of all that wait, oldest first."""
        target = f"/api/query?type=blockingTask&format=idrecords&page={number}&pageSize={MAX_PAGE_SIZE}"
        answer = await self._reader.get("queryBlockingTasks", f"{target}&sortAsc=creationDate")
        if isinstance(answer, Unavailable):
            return answer
        if isinstance(answer, Refusal):
            return ReadRefused(answer.status, f"blocking task query: {answer.message}")
        document, server_time = answer
        rows = tuple(row for one in records_of(document) if (row := self._row(one)) is not None)
        return BlockingPage(rows, total_of(document, number, MAX_PAGE_SIZE, len(rows)), server_time)

    def _document(self, document: Json, uuid: str) -> BlockingTask:
        links = (one for one in members(document.get("link")) if name(one.get("rel")) == "task")
        held = next((task_uuid_of_href(name(one.get("href"))) for one in links), None)
        return BlockingTask(
            id=URN + uuid,
            href=name(document.get("href")),
            operation=name(document.get("name")),
            owner=read_reference(document.get("taskOwner")),
            organization=read_reference(document.get("organization")),
            user=read_reference(document.get("user")),
            created=instant(document.get("createdTime")),
            timeout=instant(document.get("timeoutDate")),
            timeout_action=name(document.get("timeoutAction")),
            task=self._held(held),
        )

    def _row(self, row: Json) -> BlockingTask | None:
        uuid = uuid_in(name(row.get("id")) or name(row.get("href")))
        if uuid is None:
            return None
        organization, user = name(row.get("originatingOrg")), name(row.get("owner"))
        return BlockingTask(
            id=URN + uuid,
            href=f"{self._base_url}/api/admin/extension/blockingTask/{uuid}",
            operation=name(row.get("operationName")),
            organization=_reference(organization, "org", name(row.get("originatingOrgName"))),
            user=_reference(user, "user", name(row.get("ownerName"))),
            created=instant(row.get("creationDate")),
            timeout=instant(row.get("expirationTime")),
            timeout_action=name(row.get("timeoutAction")),
            task=self._held(uuid_in(name(row.get("task")))),
        )

    def _held(self, uuid: str | None) -> Task | None:
        return None if uuid is None else task_at(task_urn(uuid), task_href(self._base_url, uuid))


def _reference(told: str | None, kind: str, called: str | None) -> ReferenceDocument | None:
    """From a row, which has an id or an href, and a name."""
    uuid = uuid_in(told)
    if uuid is None and called is None:
        return None
    href = told if told is not None and "://" in told else None
    return {"href": href, "id": f"urn:vcloud:{kind}:{uuid}" if uuid is not None else None, "type": None, "name": called}
