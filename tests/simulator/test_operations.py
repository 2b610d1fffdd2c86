"""Every operation of the catalogue: its path, its media type, its body rule, the shape of its answer, its Task."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.catalogue.load import load
from bridge.catalogue.operation import AnswerShape, BodyRule, Operation
from bridge.core.proof import probe_says
from bridge.simulator.calls.effects.registry import CREATES
from bridge.simulator.calls.naming import OPERATION_NAMES, operation_name
from bridge.simulator.calls.operations import load_operations
from bridge.simulator.protocol.exchange import Answer
from bridge.simulator.state.founding.inventory import well_known_uuid
from bridge.simulator.state.kinds import BY_COLLECTION
from tests.simulator.driver import ACME, URL, VAPP, VAPP_2, VERSION, VM, Caller, Cloud, error_code

OPERATIONS = load_operations()
VERSION_BEFORE_REMOVALS = "35.0"


def path_of(operation: Operation) -> str:
    """The operation's path with ids of the default inventory."""
    collection, _, rest = operation.path.strip("/").partition("/{")
    if not rest:
        return operation.path
    if collection.endswith("/name"):
        first = "vmGroup-1"
    elif collection == "vApp":
        first = VM if operation.body_type == "Vm" or "Vm" in operation.name else VAPP
    else:
        kind = BY_COLLECTION[collection][0]
        organization = "System" if kind.provider_only else "acme"
        first = kind.prefix + well_known_uuid(kind.name, organization)
    path = operation.path.replace("{" + rest.partition("}")[0] + "}", first, 1)
    return path.replace("{key}", "ticket").replace("{associationId}", well_known_uuid("orgAssociation", "acme"))


def reference(kind: str, path: str) -> dict[str, str]:
    return {"href": f"{URL}/api/{path}{well_known_uuid(kind, 'acme')}"}


VALUE = {"typedValue": {"_type": "MetadataStringValue", "value": "1"}}
_VAPP, _ITEM = reference("vApp", "vApp/vapp-"), reference("catalogItem", "catalogItem/")
_TEMPLATE = reference("vAppTemplate", "vAppTemplate/vappTemplate-")
BODIES: dict[str, Any] = {
    "attachDisk": {"disk": reference("disk", "disk/")},
    "detachDisk": {"disk": reference("disk", "disk/")},
    "instantiateVAppTemplate": {"name": "new", "source": _TEMPLATE},
    "cloneVApp": {"name": "new", "source": _VAPP},
    "captureVAppToCatalog": {"name": "captured", "source": _VAPP},
    "captureVAppToVdc": {"name": "captured", "source": _VAPP},
    "cloneVAppTemplate": {"name": "clone", "source": _TEMPLATE},
    "cloneMedia": {"name": "clone", "source": reference("media", "media/")},
    "createMedia": {"name": "new-createMedia", "imageType": "iso", "size": 0},
    "createDisk": {"disk": {"name": "new-createDisk", "sizeMb": 64}},
    "copyCatalogItem": {"name": "copy", "source": _ITEM},
    "moveCatalogItem": {"name": "moved", "source": _ITEM},
    "moveDisk": {"vdc": reference("vdc", "vdc/")},
}
"""Bodies of operations that take more than a name."""


def body_of(operation: Operation) -> Any:
    if operation.body_rule is BodyRule.NONE:
        return None
    if operation.path.endswith("/metadata/{key}"):
        return VALUE
    if operation.name in BODIES:
        return BODIES[operation.name]
    if operation.name == "createExternalTask":
        user = {"href": f"{URL}/api/admin/user/{well_known_uuid('user', 'acme')}"}
        return {"name": "task", "status": "running", "serviceNamespace": "org.example", "user": user}
    return {"name": f"new-{operation.name}"}


def prepare(cloud: Cloud, operation: Operation, provider: Caller) -> str:
    """The path to call; blocking tasks and external Tasks are made first."""
    if "blockingTask/" in operation.path:
        cloud.set("settings", {"blocking_operations": ["deployVApp"]})
        provider.deploy()
        blocking = next(iter(cloud.director.cloud.blocking))
        return operation.path.replace("{id}", blocking)
    if operation.path.startswith("/task/"):
        if operation.method == "PUT":
            create = next(one for one in OPERATIONS if one.name == "createExternalTask")
            task = provider.json("POST", f"/tasksList/{ACME}", body_of(create))["id"][-36:]
        else:
            task = provider.deploy()
        return operation.path.replace("{id}", task)
    path = path_of(operation)
    if operation.method == "DELETE" and path.endswith("/metadata/ticket"):
        entity = cloud.director.cloud.store.get(path.split("/")[-3][-36:])
        assert entity is not None
        entity.metadata["GENERAL/ticket"] = VALUE
    return path


def perform(cloud: Cloud, operation: Operation) -> Answer:
    """One correct call of an operation by a provider, in a version that has it."""
    cloud.set("settings", {"strict_states": False})
    version = VERSION_BEFORE_REMOVALS if operation.removed else VERSION
    provider = cloud.log_in("administrator@System")
    path = prepare(cloud, operation, provider)
    body = body_of(operation)
    if operation.name == "updateTask":
        body = {"name": "task", "status": "running", "progress": 5}
    headers = {"accept": f"application/*+json;version={version}"}
    if body is not None and operation.media_type is not None:
        headers["content-type"] = f"{operation.media_type};version={version}"
    return provider.call(operation.method, path, body, **headers)


def test_the_whole_catalogue_is_here() -> None:
    assert len(OPERATIONS) == 202
    assert len({operation.name for operation in OPERATIONS}) == 202


SPECIAL = {
    "getTask": 200, "getTasksList": 200, "createExternalTask": 200, "updateTask": 200, "listBlockingTasks": 200,
    "updateBlockingTaskProgress": 200, "cancelTask": 204, "resumeBlockingTask": 204, "abortBlockingTask": 204,
    "failBlockingTask": 204,
}  # fmt: skip


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_each_operation_answers_in_its_shape(cloud: Cloud, operation: Operation) -> None:
    answer = perform(cloud, operation)
    assert answer.status < 300, answer.body
    entry = cloud.director.ledger.after(cloud.director.ledger.last - 1)[-1]
    assert entry["operation"] == operation.name
    assert entry["changes"] is (operation.method != "GET")
    if operation.name in SPECIAL:
        assert answer.status == SPECIAL[operation.name]
        return
    assert entry["effect"] is True
    check_shape(cloud, operation, answer, entry["task"])


def check_shape(cloud: Cloud, operation: Operation, answer: Answer, task_id: str | None) -> None:
    headers = dict(answer.headers)
    document: Any
    if operation.answer is AnswerShape.SYNCHRONOUS:
        assert task_id is None
        return
    assert task_id is not None
    href = f"{URL}/api/task/{task_id}"
    match operation.answer:
        case AnswerShape.TASK:
            assert (answer.status, headers["Location"]) == (202, href)
            document = json.loads(answer.body)
            assert document["href"] == href
            assert document["operationName"] == operation_name(operation, {})
        case AnswerShape.ENTITY:
            document = json.loads(answer.body)
            assert answer.status == (201 if operation.name in CREATES else 200)
            assert [task["href"] for task in document["tasks"]["task"]] == [href]
        case AnswerShape.LOCATION:
            assert (answer.status, answer.body, headers["Location"]) == (202, b"", href)
        case AnswerShape.HEADER:
            assert (answer.status, headers["X-VMWARE-VCLOUD-TASK-LOCATION"]) == (200, href)
    task = cloud.director.cloud.engine.get(task_id, cloud.now)
    assert task is not None
    if operation.name in CREATES:
        assert task.owner.kind.name == CREATES[operation.name]
    elif "{" in operation.path:
        assert path_of(operation).split("/")[-1 if operation.path.endswith("}") else 1]
        assert (task.owner.kind.prefix + task.owner.uuid in path_of(operation)) or task.owner.name == "vmGroup-1"


@pytest.mark.parametrize("shape", ["task", "entity", "location", "header"])
def test_a_script_may_change_the_shape(cloud: Cloud, admin: Caller, shape: str) -> None:
    cloud.set("scripts", {"operation": "deployVApp", "script": {"preset": "success", "answer": shape}})
    answer = admin.call("POST", f"/vApp/{VAPP}/action/deploy", {})
    headers, task = dict(answer.headers), cloud.director.ledger.after(0)[-1]["task"]
    href = f"{URL}/api/task/{task}"
    found = {
        "task": (202, headers.get("Location")), "location": (202, headers.get("Location")),
        "header": (200, headers.get("X-VMWARE-VCLOUD-TASK-LOCATION")), "entity": (200, None),
    }[shape]  # fmt: skip
    assert found == (answer.status, None if shape == "entity" else href)
    assert (shape == "location") is (answer.body == b"")
    if shape == "entity":
        assert json.loads(answer.body)["tasks"]["task"][0]["href"] == href


def test_a_synchronous_answer_has_its_effect_at_once(cloud: Cloud, admin: Caller) -> None:
    cloud.set("scripts", {"operation": "deployVApp", "script": {"preset": "success", "answer": "synchronous"}})
    assert admin.call("POST", f"/vApp/{VAPP}/action/deploy", {}).status == 204
    assert admin.json("GET", f"/vApp/{VAPP}")["deployed"] is True


def prepared_for_probe(cloud: Cloud, operation: Operation, provider: Caller) -> tuple[str, str]:
    """The operation's path and its probe's, with ids; a metadata item to delete is there."""
    assert operation.probe is not None
    of_vm = operation.name in ("editTrustedPlatformModule", "enableNestedHypervisor", "disableNestedHypervisor")
    path = prepare(cloud, operation, provider)
    path = path.replace(VAPP, VM) if of_vm else path
    parameters = load().parameters_of(operation, path)
    return path, operation.probe.path.format_map(parameters)


PROBED_BODIES: dict[str, Any] = {
    "editTrustedPlatformModule": {"tpmPresent": True},
    "modifyEdgeGatewayFormFactor": {"gatewayType": "full"},
    "updateTask": {"name": "task", "status": "success"},
}


@pytest.mark.parametrize(
    "operation", [operation for operation in OPERATIONS if operation.probe], ids=lambda operation: operation.name
)
def test_the_catalogues_probes_prove_what_happened(cloud: Cloud, provider: Caller, operation: Operation) -> None:
    """Nothing of it is so before; after the success the GET proves it, or no longer disproves it where none can."""
    cloud.set("settings", {"strict_states": False})
    probe = operation.probe
    assert probe is not None
    path, probed = prepared_for_probe(cloud, operation, provider)
    body: dict[str, Any] | None = PROBED_BODIES.get(operation.name) or body_of(operation)
    parameters = load().parameters_of(operation, path)

    def says() -> bool | None:
        answer = provider.call("GET", probed)
        assert answer.status in ({200} if probe.field else {200, 403})
        return probe_says(probe, json.loads(answer.body) if answer.status == 200 else None, body, parameters)

    before = says()
    assert before is (before if probe.proved_by else False)
    assert before is not True or operation.name in SO_ALREADY
    assert provider.call(operation.method, path, body).status in (200, 201, 202)
    cloud.wait(10)
    assert says() is (True if probe.proved_by else None)


SO_ALREADY = {"powerOffVApp", "shutdownVApp", "undeployVApp", "disableNestedHypervisor"}
"""The machines of a new cloud are off, and run no machines themselves."""


def test_unsourced_names_are_like_nothing_in_the_catalogue() -> None:
    words = {one.name.lower() for one in OPERATIONS} | {one.vcd_operation_name for one in OPERATIONS}
    names = {one.name: operation_name(one, {}) for one in OPERATIONS if one.vcd_operation_name is None}
    made_up = [name for name in names.values() if name.startswith("simulated")]
    assert len(made_up) == len(set(made_up)) > 60
    assert not {name.lower() for name in made_up} & words
    assert all(len(name) == 17 for name in made_up)


def test_names_that_sdks_and_recorded_answers_show() -> None:
    by_name = {one.name: one for one in OPERATIONS}
    assert set(OPERATION_NAMES) <= {name for name, one in by_name.items() if one.vcd_operation_name is None}
    for name, told in (
        ("rebootVApp", "vappRebootGuest"), ("updateVmCpu", "vappUpdateVm"), ("mergeMediaMetadata", "metadataUpdate"),
        ("setCatalogItemMetadataItem", "metadataSet"), ("deleteMediaMetadataItem", "metadataDelete"),
        ("resetNetwork", "networkResetNetwork"), ("createCatalog", "catalogCreateCatalog"),
    ):  # fmt: skip
        assert operation_name(by_name[name], {}) == told


def test_the_name_of_an_undeploy_goes_by_what_it_does(cloud: Cloud, admin: Caller) -> None:
    names = []
    cloud.set("settings", {"strict_states": False})
    for action in ("powerOff", "suspend", "shutdown"):
        body = {"undeployPowerAction": action}
        names.append(admin.json("POST", f"/vApp/{VAPP}/action/undeploy", body, status=202)["operationName"])
        cloud.wait(10)
    assert names[:2] == ["vappUndeployPowerOff", "vappUndeploySuspend"]
    assert names[2].startswith("simulated")


def test_a_change_of_a_templates_vm_has_a_name_of_its_own(admin: Caller) -> None:
    template = f"/vAppTemplate/vappTemplate-{well_known_uuid('vAppTemplate', 'acme')}"
    vm = str(admin.json("GET", template)["children"]["vm"][0]["href"]).partition("/api")[2]
    task = admin.json("PUT", vm, {"name": "other"}, status=202)
    assert task["operationName"] == "templateUpdateVm"


class TestBodies:
    path = f"/vApp/{VAPP}/action/deploy"

    @pytest.mark.parametrize(
        "media",
        [
            "application/vnd.vmware.vcloud.deployVAppParams+json",
            "application/VND.vmware.vcloud.DEPLOYvappparams+json;version=39.0",
            "application/*+json",
            "application/json",
            "",
        ],
    )
    def test_accepted_media_types(self, admin: Caller, media: str) -> None:
        assert (
            admin.call("POST", self.path, {"powerOn": True}, **({"content-type": media} if media else {})).status == 202
        )

    @pytest.mark.parametrize(
        "media", ["application/vnd.vmware.vcloud.undeployVAppParams+json", "text/xml", "text/plain"]
    )
    def test_other_media_types_are_415(self, admin: Caller, media: str) -> None:
        answer = admin.call("POST", self.path, {"powerOn": True}, **{"content-type": media})
        assert (answer.status, error_code(answer)) == (415, "UNSUPPORTED_MEDIA_TYPE")

    @pytest.mark.parametrize("body", [None, b"{", b"[]", b"3", b"null", b"\xff", b"[" * 100_000, b" " * 600_000])
    def test_a_missing_or_unreadable_body_is_400(self, admin: Caller, body: bytes | None) -> None:
        answer = admin.call("POST", f"/vApp/{VAPP}/action/recomposeVApp", body)
        assert (answer.status, error_code(answer)) == (400, "BAD_REQUEST")

    @pytest.mark.parametrize(
        ("body", "status"), [(b"", 202), (b"null", 202), (b"{}", 202), (b'{"powerOn": true}', 400)]
    )
    def test_a_body_less_action_takes_null_and_nothing_else(self, admin: Caller, body: bytes, status: int) -> None:
        assert admin.call("POST", f"/vApp/{VM}/power/action/powerOn", body).status == status


def test_put_of_a_vapp_and_of_a_vm_are_two_operations(cloud: Cloud, admin: Caller) -> None:
    cloud.set("settings", {"busy": False})
    vapp = "application/vnd.vmware.vcloud.vApp+json"
    assert admin.call("PUT", f"/vApp/{VAPP}", {"name": "renamed"}, **{"content-type": vapp}).status == 202
    assert admin.call("PUT", f"/vApp/{VM}", {"name": "x"}, **{"content-type": vapp}).status == 415
    assert admin.call("PUT", f"/vApp/{VM}", {"name": "x"}).status == 202
    assert [entry["operation"] for entry in cloud.director.ledger.after(1)] == ["updateVApp", "updateVm", "updateVm"]


def test_operations_of_other_versions_are_unknown_paths(cloud: Cloud, provider: Caller) -> None:
    cloud.set("settings", {"versions": ["35.0", "39.0"]})
    move = next(one for one in OPERATIONS if one.name == "moveDisk")
    path, body = path_of(move), BODIES["moveDisk"]
    assert provider.call("POST", path, body, accept="application/*+json;version=35.0").status == 404
    assert provider.call("POST", path, body).status == 202


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/vApp/vapp-00000000-0000-4000-8000-000000000000", 403), ("/vApp/vm-not-a-uuid", 403),
        ("/vApp/00000000-0000-4000-8000-000000000000", 404), (f"/disk/{VAPP[5:]}", 403),
    ],
)  # fmt: skip
def test_unknown_ids(admin: Caller, path: str, status: int) -> None:
    assert admin.call("DELETE", path).status == status
    assert admin.call("GET", path).status == status


def test_tenants_neither_see_nor_change_what_is_not_theirs(cloud: Cloud, admin: Caller) -> None:
    beta = cloud.log_in("admin@beta")
    assert beta.call("POST", f"/vApp/{VAPP}/action/deploy", {}).status == 403
    assert (
        admin.call("POST", f"/admin/extension/vimServer/{well_known_uuid('vimServer', 'System')}/action/refresh").status
        == 403
    )
    assert admin.call("POST", "/admin/orgs", {"name": "gamma"}).status == 403
    assert not any(entry["effect"] for entry in cloud.director.ledger.after(0) if entry["changes"])


def test_lenient_entities_come_into_being_when_addressed(cloud: Cloud, admin: Caller) -> None:
    unknown = "/vApp/vapp-12345678-0000-4000-8000-000000000000"
    assert admin.call("POST", f"{unknown}/action/deploy", {}).status == 403
    cloud.set("settings", {"lenient_entities": True})
    assert admin.call("POST", f"{unknown}/action/deploy", {}).status == 202
    cloud.wait(10)
    assert admin.json("GET", unknown)["status"] == 4
    assert cloud.log_in("admin@beta").call("GET", unknown).status == 403


def test_one_uuid_may_be_a_vapp_and_a_vm_where_entities_are_lenient(cloud: Cloud, admin: Caller) -> None:
    cloud.set("settings", {"lenient_entities": True})
    uuid = "12345678-0000-4000-8000-000000000000"
    for _ in range(2):
        assert admin.call("POST", f"/vApp/vapp-{uuid}/power/action/powerOn").status == 202
        assert admin.call("POST", f"/vApp/vm-{uuid}/power/action/powerOn").status == 202
        cloud.wait(10)
    assert admin.json("DELETE", f"/vApp/vm-{uuid}", status=202)["owner"]["id"] == f"urn:vcloud:vm:{uuid}"
    cloud.wait(10)
    assert admin.json("GET", f"/vApp/vapp-{uuid}")["status"] == 4


def test_two_entities_run_side_by_side(cloud: Cloud, admin: Caller) -> None:
    admin.deploy(VAPP)
    admin.deploy(VAPP_2)
    cloud.wait(5)
    assert admin.query("status==running")["total"] == 2
