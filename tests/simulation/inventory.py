"""What requests are about: entities of the simulated Cloud Director, and what operations make of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bridge.core.answers import HttpCall
from tests.simulation.holds import Holds

VDC = "00000000-0000-4000-8000-0000000000dc"
_VAPP = "vapp-00000000-0000-4000-8000-{:012d}"
_BLOCKING = "30000000-0000-4000-8000-{:012d}"
_MADE = "00000000-0000-4000-a000-{:012d}"
_CREATED = "20000000-0000-4000-8000-{:012d}"
"""No two entities have one uuid."""
_TWIN = "twin"
"""How names begin that many take, of things whose Tasks bear no key."""
_KEYS = ("owner", "cost", "tier")
_ON, _OFF = 4, 8

Document = dict[str, Any]


@dataclass(slots=True)
class VApp:
    """Or a VM. ``metadata``: names of its entries."""

    deployed: bool = False
    status: int = _OFF
    nested: bool = False
    metadata: set[str] = field(default_factory=lambda: {"owner", "cost"})

    def document(self) -> Document:
        return {"status": self.status, "deployed": self.deployed, "nestedHypervisorEnabled": self.nested}


@dataclass(frozen=True, slots=True)
class Refusal:
    """VCD says no for good."""

    code: str
    message: str
    http_status: int


@dataclass(frozen=True, slots=True)
class Work:
    """What a call asks for. ``path``: the entity that its Task belongs to, ``name`` what that is called. ``at_once``:
    there is no Task. ``begin`` happens when the call is carried out, ``succeed`` or ``fail`` when its Task ends."""

    path: str
    name: str | None = None
    operation_name: str = "unlikeAnything"
    operation_key: str | None = None
    at_once: bool = False
    begin: Callable[[], None] = lambda: None
    succeed: Callable[[], None] = lambda: None
    fail: Callable[[], None] = lambda: None


@dataclass(slots=True)
class Inventory:
    """``vapps`` by path, VMs among them; ``made`` names what the one vDC holds; ``holds``: the blocking tasks."""

    vapps: dict[str, VApp] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    holds: Holds = field(default_factory=Holds)
    _numbers: int = 0

    def document(self, path: str) -> Document | None:
        """Of an entity as a GET shows it; None: there is no such."""
        if path.startswith("/vApp/"):
            vapp, _, rest = path.removeprefix("/vApp/").partition("/")
            found = self.vapps.setdefault(f"/vApp/{vapp}", VApp())
            return {"metadataEntry": [{"key": key} for key in sorted(found.metadata)]} if rest else found.document()
        if path == f"/vdc/{VDC}":
            return {"resourceEntities": {"resourceEntity": [{"name": name} for name in self.made]}}
        return None

    def asked(self, call: HttpCall) -> Work | Refusal:
        """What a call asks for, judged by how things stand."""
        body: Mapping[str, Any] = call.body or {}
        if call.operation in {"createMedia", "createDisk"}:
            return self._created(call.operation, body["disk"] if call.operation == "createDisk" else body)
        if "/blockingTask/" in call.path:
            return self._blocking(call)
        path = "/" + "/".join(call.path.strip("/").split("/")[:2])
        return self._on_vapp(call, path, self.vapps.setdefault(path, VApp()), body)

    def _created(self, operation: str, body: Mapping[str, Any]) -> Work | Refusal:
        name = str(body["name"])
        if name in self.made and operation == "createMedia":
            return Refusal("DUPLICATE_NAME", f"there is a {name} already", 400)
        self._numbers += 1
        kind = "media" if operation == "createMedia" else "disk"
        path = f"/{kind}/{_CREATED.format(self._numbers)}"
        return Work(
            path,
            name,
            operation_key=None if name.startswith(_TWIN) else body.get("operationKey"),
            begin=lambda: self.made.append(name),
            fail=lambda: self.made.remove(name),
        )

    def _blocking(self, call: HttpCall) -> Work | Refusal:
        path, _, action = call.path.partition("/action/")
        hold = self.holds.at(path)
        if hold.decided is not None:
            return Refusal("ACCESS_TO_RESOURCE_IS_FORBIDDEN", "no such blocking task", 403)
        if action == "updateProgress":
            return Work(path, at_once=True)
        return Work(path, at_once=True, begin=lambda: hold.decide(action))

    def _on_vapp(self, call: HttpCall, path: str, vapp: VApp, body: Mapping[str, Any]) -> Work | Refusal:
        match call.operation:
            case "deployVApp":
                return Work(path, operation_name="vappDeploy", succeed=lambda: _set(vapp, deployed=True))
            case "powerOnVApp" if vapp.status == _ON:
                return Refusal("INVALID_STATE", "it is powered on already", 400)
            case "powerOnVApp":
                return Work(path, succeed=lambda: _set(vapp, status=_ON))
            case "powerOffVApp" if vapp.status == _OFF:
                return Refusal("INVALID_STATE", "it is powered off already", 400)
            case "powerOffVApp":
                return Work(path, succeed=lambda: _set(vapp, status=_OFF))
            case "enableNestedHypervisor":
                return Work(path, succeed=lambda: _set(vapp, nested=True))
            case "mergeVAppMetadata":
                keys = {entry["key"] for entry in body["metadataEntry"]}
                return Work(path, succeed=lambda: vapp.metadata.update(keys))
            case "deleteVAppMetadataItem":
                key = call.path.rpartition("/")[2]
                if key not in vapp.metadata:
                    return Refusal("ACCESS_TO_RESOURCE_IS_FORBIDDEN", f"no metadata {key}", 403)
                return Work(path, succeed=lambda: vapp.metadata.discard(key))
            case "createSnapshot":
                return Work(path, operation_name="vappCreateSnapshot")
            case _:
                return Work(path)


def _set(vapp: VApp, **changes: Any) -> None:
    for name, value in changes.items():
        setattr(vapp, name, value)


def draw_request(random: Random, number: int, entities: int) -> Document:
    """A request for any of the operations, of every recovery class, with and without Tasks."""
    operation = random.choice(OPERATIONS)
    entity = _VAPP.format(random.randrange(entities))
    document: Document = {"request_id": f"r{number}", "operation": operation, "parameters": {"id": entity}}
    if operation in {"createMedia", "createDisk"}:
        document["parameters"] = {"id": VDC}
    elif operation == "enableNestedHypervisor":
        document["parameters"] = {"id": entity.replace("vapp-0", "vm-1")}
    elif operation in OF_BLOCKING_TASKS:
        document["parameters"] = {"id": _held(number - 8 * (random.randrange(3) == 0))}
        if operation == "resumeBlockingTask":
            document["operation"] = Random(f"decision {number}").choice(DECISIONS)
    elif operation == "deleteVAppMetadataItem":
        document["parameters"]["key"] = random.choice(_KEYS)
    body = _body(random, operation, number)
    if body is not None:
        document["body"] = body
    return document


def decision(number: int) -> Document:
    """A request about what is held, which those before and after it are about too."""
    operation = Random(f"decision {number}").choice([*DECISIONS, "updateBlockingTaskProgress"])
    body = {"message": "decided"}
    return {"request_id": f"r{number}", "operation": operation, "parameters": {"id": _held(number)}, "body": body}


def _held(number: int) -> str:
    """Several in a row mean the same blocking task: they want to decide about it at the same time."""
    return _BLOCKING.format(max(0, number) // 8)


def twin(number: int) -> Document:
    """A request for something new, whose name those before and after it take too."""
    body = {"disk": {"name": f"{_TWIN}{number // 8}", "sizeMb": 1024}}
    return {"request_id": f"r{number}", "operation": "createDisk", "parameters": {"id": VDC}, "body": body}


OPERATIONS = (
    "deployVApp", "createSnapshot", "rebootVApp", "mergeVAppMetadata", "powerOnVApp", "powerOffVApp",
    "enableNestedHypervisor", "deleteVAppMetadataItem", "createMedia", "createDisk", "updateBlockingTaskProgress",
    "resumeBlockingTask",
)  # fmt: skip
DECISIONS = ("resumeBlockingTask", "resumeBlockingTask", "abortBlockingTask", "failBlockingTask")
OF_BLOCKING_TASKS = {"updateBlockingTaskProgress", *DECISIONS}


def _body(random: Random, operation: str, number: int) -> Document | None:
    # Names are used twice now and then: nobody can tell whose Task it is then.
    name = f"n{number if random.random() < 0.85 else number // 2}"
    match operation:
        case "createSnapshot":
            return {"name": "s", "memory": False, "quiesce": False}
        case "mergeVAppMetadata":
            return {"metadataEntry": [{"key": random.choice(_KEYS)}]}
        case "createMedia":
            return {"name": name, "imageType": "iso", "size": 1048576}
        case "createDisk":
            return {"disk": {"name": name, "sizeMb": 1024}}
        case "updateBlockingTaskProgress":
            return {"message": "still being looked at", "timeoutValueInMilliseconds": 600_000}
        case "resumeBlockingTask":
            return {"message": "approved"}
        case _:
            return None
