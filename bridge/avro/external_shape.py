"""What an ``ExternalTaskCommand`` document may hold, and what of VCD's Task type it may not.

Source: VMware's TaskType page, with what VCD takes in practice.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge.avro.shape import Inside, Shape

FIELDS = (
    "command", "command_id", "revision", "organization", "operation", "operationName", "details", "description",
    "owner", "user", "status", "progress", "error", "result", "params", "expire_after_seconds", "correlation_id",
    "serviceNamespace",
)  # fmt: skip
TENANT_ERROR_FIELDS = ("message", "majorErrorCode", "minorErrorCode", "vendorSpecificErrorCode")
REFERENCE_FIELDS = ("href", "id", "type", "name")

_STACK_TRACE = "it can hold what tenants must not see"
_EXTENSION = "it belongs to extensions of VCD itself"
NOT_SETTABLE: Mapping[str, str] = {
    "id": "VCD gives each Task its id",
    "href": "VCD gives each Task its address",
    "type": "it is the media type that every Task has",
    "name": "it is the same in every Task; operation is what people read",
    "operationKey": "the record's key names the Task, and the bridge finds it again by its own mark",
    "startTime": "VCD sets it when the Task is made",
    "endTime": "VCD sets it when the Task ends",
    "expiryTime": "VCD sets it; expire_after_seconds says when the bridge ends a Task that nobody speaks for",
    "cancelRequested": "people set it in VCD; to end the Task send command finish with status aborted",
    "organization.": "VCD makes the reference, of the organization whose task list the Task stands in; "
    "give organization as text: name, uuid or URN",
    "tasks": "VCD alone puts Tasks under a Task",
    "vcTaskList": "VCD fills it with the vCenter tasks of its own work",
    "link": "VCD makes the links",
    "vCloudExtension": _EXTENSION,
    "VCloudExtension": _EXTENSION,
    "error.stackTrace": _STACK_TRACE,
    "error.tenantError.stackTrace": _STACK_TRACE,
}
"""What the Task type has and a command has not, with the reason."""

SHAPE = Shape(
    record="ExternalTaskCommand",
    fields=FIELDS,
    inside={"error": Inside(levels=True), "result": Inside(levels=True), "params": Inside(levels=True, free=True)},
    objects={
        "error": (*TENANT_ERROR_FIELDS, "tenantError"),
        "error.tenantError": TENANT_ERROR_FIELDS,
        "result": ("resultContent", "resultReference"),
        "result.resultReference": REFERENCE_FIELDS,
    },
    refused=NOT_SETTABLE,
)
