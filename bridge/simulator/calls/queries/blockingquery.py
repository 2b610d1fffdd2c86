"""The type ``blockingTask`` of the query service: Tasks that are held in preRunning; for system administrators."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.simulator.calls.queries.fiql import Field, FieldType
from bridge.simulator.clock import timestamp
from bridge.simulator.cloud import Cloud
from bridge.simulator.documents.blockingtasks import ACTIVE, BlockingDocuments
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity
from bridge.simulator.state.tasks.tasks import Task


class BlockingRecords:
    """Fields, rows and records of QueryResultBlockingTaskRecordType."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.documents = documents = BlockingDocuments(cloud.references)
        text, reference, time = FieldType.TEXT, FieldType.REFERENCE, FieldType.TIME
        href = cloud.references.href
        self.fields: dict[str, Field] = {
            "id": Field(text, documents.urn),
            "href": Field(reference, documents.href),
            "status": Field(text, lambda _task: ACTIVE),
            "operationName": Field(text, lambda task: task.operation_name),
            "owner": Field(reference, lambda task: href(task.user.entity)),
            "ownerName": Field(text, lambda task: task.user.name),
            "originatingOrg": Field(reference, lambda task: href(task.org)),
            "originatingOrgName": Field(text, lambda task: task.org.name),
            "creationDate": Field(time, lambda task: int(task.started_at * 1000) / 1000),
            "expirationTime": Field(time, lambda task: int(task.blocked_until * 1000) / 1000),
            "timeoutAction": Field(text, lambda task: task.timeout_action),
            "task": Field(reference, cloud.documents.task_href),
            "jobStatus": Field(text, lambda task: task.script.steps[0].status),
            "hasOwner": Field(FieldType.FLAG, lambda _task: True),
        }

    def rows(self, org: Entity | None) -> Iterator[Task]:
        """Of one organization; None: of all."""
        return (task for task in self.cloud.blocking.values() if org is None or task.org is org)

    def record(self, task: Task, form: str) -> JsonObject:
        """With ``idrecords`` there are URNs in the place of hrefs."""
        references = self.cloud.references
        if form == "references":
            return self.documents.reference(task)
        whole = form == "records"
        record: JsonObject = {
            "_type": "QueryResultBlockingTaskRecordType",
            "status": ACTIVE,
            "operationName": task.operation_name,
            "owner": references.href(task.user.entity) if whole else task.user.entity.urn,
            "ownerName": task.user.name,
            "originatingOrg": references.href(task.org) if whole else task.org.urn,
            "originatingOrgName": task.org.name,
            "creationDate": timestamp(task.started_at),
            "expirationTime": timestamp(task.blocked_until or task.started_at),
            "timeoutAction": task.timeout_action,
            "task": self.cloud.documents.task_href(task) if whole else task.urn,
            "jobStatus": task.script.steps[0].status,
            "hasOwner": True,
        }
        record.update({"href": self.documents.href(task)} if whole else {"id": self.documents.urn(task)})
        return record
