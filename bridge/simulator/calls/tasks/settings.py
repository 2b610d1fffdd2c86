"""What a provider sets about Tasks: which operations block, for how long, and how many run side by side.

Source: BlockingTaskSettingsType and OperationLimitsSettingsType (extension/settings.xsd), TaskOperationListType
(task.xsd) and OrgOperationLimitsSettingsType (admin/vCloudEntities.xsd) of the API schemas; the paths are those of
VMware's PHP and .NET SDKs (Extension and AdminOrg classes).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bridge.catalogue.operation import Operation
from bridge.simulator.behavior import BLOCKING_ACTIONS
from bridge.simulator.calls.call import Call, Target, organization_of
from bridge.simulator.calls.naming import operation_name
from bridge.simulator.cloud import Cloud
from bridge.simulator.protocol.exchange import Answer, JsonObject, bad_request, forbidden
from bridge.simulator.state.tasks.limits import OWN_LIMITS

_SETTINGS_STEM = "application/vnd.vmware.admin.systemSettings"
_BLOCKING_STEM = "application/vnd.vmware.admin.blockingTaskSettings"
_OPERATIONS_STEM = "application/vnd.vmware.admin.taskOperationList"
_LIMITS_STEM = "application/vnd.vmware.admin.operationLimitsSettings"
_SYSTEM_LIMITS, _ORG_LIMITS = "vmext:OperationLimitsSettingsType", "OrgOperationLimitsSettingsType"

_SYSTEM_FIELDS = {
    "runningPerUser": "operations_per_user", "runningPerOrg": "operations_per_org",
    "queuedOperationsPerUser": "queued_operations_per_user", "queuedOperationsPerOrg": "queued_operations_per_org",
}  # fmt: skip
"""Key of the document -> setting."""

_ORG_KEYS = (
    "consolesPerVmLimit", "operationsPerUser", "operationsPerOrg", "queuedOperationsPerUser", "queuedOperationsPerOrg",
)  # fmt: skip


def routes(cloud: Cloud, operations: Iterable[Operation]) -> Iterator[tuple[str, str, Target]]:
    """Method, path and target of each."""
    calls = TaskSettings(cloud, operations)
    blocking, limits = "/api/admin/extension/settings/blockingTask", "operationLimitsSettings"
    yield "GET", "/api/admin/extension/settings", Target("getSystemSettings", calls.all)
    for path, name, read, write in (
        (blocking, "BlockingTaskSettings", calls.blocking, calls.set_blocking),
        (f"{blocking}/operations", "BlockingTaskOperations", calls.operations, calls.set_operations),
        (f"/api/admin/extension/settings/{limits}", "OperationLimits", calls.limits, calls.set_limits),
        (f"/api/admin/org/{{id}}/settings/{limits}", "OrgOperationLimits", calls.org_limits, calls.set_org_limits),
    ):
        yield "GET", path, Target(f"get{name}", read)
        yield "PUT", path, Target(f"set{name}", write, changes=True)


class TaskSettings:
    """Settings of the system are for system administrators; an organization reads its own, and does not set them."""

    def __init__(self, cloud: Cloud, operations: Iterable[Operation]) -> None:
        self.cloud = cloud
        self.base = f"{cloud.references.api}/admin/extension/settings"
        self._names = {one.name: operation_name(one, {}) for one in operations}

    def all(self, call: Call) -> Answer:
        """The categories of the system's settings that there are here."""
        _check_provider(call)
        document = {
            "href": self.base, "type": f"{_SETTINGS_STEM}+json", "blockingTaskSettings": self._blocking(),
            "operationLimitsSettings": self._limits(),
        }  # fmt: skip
        return call.reply(document, _SETTINGS_STEM)

    def blocking(self, call: Call) -> Answer:
        _check_provider(call)
        return call.reply(self._blocking(), _BLOCKING_STEM)

    def _blocking(self) -> JsonObject:
        behavior = self.cloud.behavior
        return self._document("blockingTask", _BLOCKING_STEM) | {
            "timeoutAction": behavior.blocking_timeout_action,
            "blockingTaskOperations": self._operations(),
            "timeoutInMilliseconds": int(behavior.blocking_timeout_seconds * 1000),
        }

    def set_blocking(self, call: Call) -> Answer:
        _check_provider(call)
        body = _body(call, _BLOCKING_STEM)
        action, listed = body.get("timeoutAction"), body.get("blockingTaskOperations")
        if action not in BLOCKING_ACTIONS:
            raise bad_request(f"Bad request: timeoutAction is required and one of {', '.join(BLOCKING_ACTIONS)}")
        if not isinstance(listed, dict):
            raise bad_request("Bad request: blockingTaskOperations is required")
        names, milliseconds = _names(listed), _whole(body, "timeoutInMilliseconds")
        if milliseconds is None:
            raise bad_request("Bad request: timeoutInMilliseconds is required")
        self._set(
            call, blocking_timeout_action=action, blocking_operations=names,
            blocking_timeout_seconds=milliseconds / 1000,
        )  # fmt: skip
        return self.blocking(call)

    def operations(self, call: Call) -> Answer:
        _check_provider(call)
        return call.reply(self._operations(), _OPERATIONS_STEM)

    def set_operations(self, call: Call) -> Answer:
        _check_provider(call)
        self._set(call, blocking_operations=_names(_body(call, _OPERATIONS_STEM)))
        return self.operations(call)

    def limits(self, call: Call) -> Answer:
        _check_provider(call)
        return call.reply(self._limits(), _LIMITS_STEM, name=_SYSTEM_LIMITS)

    def _limits(self) -> JsonObject:
        document = self._document("operationLimitsSettings", _LIMITS_STEM)
        return document | {key: getattr(self.cloud.behavior, setting) for key, setting in _SYSTEM_FIELDS.items()}

    def set_limits(self, call: Call) -> Answer:
        """What is left out goes back to its default, as everywhere in VCD: no limit."""
        _check_provider(call)
        body = _body(call, _LIMITS_STEM, _SYSTEM_LIMITS)
        self._set(call, **{setting: _whole(body, key) or 0 for key, setting in _SYSTEM_FIELDS.items()})
        self.cloud.apply_behavior()
        return self.limits(call)

    def org_limits(self, call: Call) -> Answer:
        org = organization_of(call, self.cloud.store)
        own, links = (org.properties.get("settings") or {}).get(OWN_LIMITS) or {}, self.cloud.references
        href = f"{links.api}/admin/org/{org.uuid}/settings/operationLimitsSettings"
        document: JsonObject = {"href": href, "type": f"{_LIMITS_STEM}+json"}
        if call.is_provider:
            document["link"] = [links.link("edit", href, _LIMITS_STEM)]
        document |= {key: own[key] for key in _ORG_KEYS if key in own}
        return call.reply(document, _LIMITS_STEM, name=_ORG_LIMITS)

    def set_org_limits(self, call: Call) -> Answer:
        """What is left out is the system's to say; 0 is no limit."""
        org = organization_of(call, self.cloud.store)
        if not call.is_provider:
            raise forbidden()
        body = _body(call, _LIMITS_STEM, _ORG_LIMITS)
        limits = {key: value for key in _ORG_KEYS if (value := _whole(body, key)) is not None}
        call.effect = True
        org.properties["settings"] = {**(org.properties.get("settings") or {}), OWN_LIMITS: limits}
        self.cloud.engine.queue.reconsider(call.now)
        return self.org_limits(call)

    def _operations(self) -> JsonObject:
        """By operationName, also where a setting gave names of the catalogue."""
        names = dict.fromkeys(self._names.get(one, one) for one in self.cloud.behavior.blocking_operations)
        return self._document("blockingTask/operations", _OPERATIONS_STEM) | {"operation": list(names)}

    def _document(self, tail: str, stem: str) -> JsonObject:
        href = f"{self.base}/{tail}"
        return {"href": href, "type": f"{stem}+json", "link": [self.cloud.references.link("edit", href, stem)]}

    def _set(self, call: Call, **values: Any) -> None:
        call.effect = True
        for name, value in values.items():
            setattr(self.cloud.behavior, name, value)


def _check_provider(call: Call) -> None:
    if not call.is_provider:
        raise forbidden()


def _body(call: Call, stem: str, name: str | None = None) -> JsonObject:
    body = call.read_body(f"{stem}+json", name)
    if body is None:
        raise bad_request(f"Bad request: a body of type {stem.rpartition('.')[2]} is expected")
    return body


def _names(document: JsonObject) -> tuple[str, ...]:
    names = document.get("operation") or []
    if not isinstance(names, list) or not all(isinstance(one, str) and one for one in names):
        raise bad_request("Bad request: operation takes names of operations")
    return tuple(dict.fromkeys(names))


def _whole(document: JsonObject, key: str) -> int | None:
    value = document.get(key)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise bad_request(f"Bad request: {key} takes a whole number, 0 or more")
