"""The whole document of an external task goes through the bridge: every field that VCD lets a service set, on create
and again on update and finish, in every form of a record; read back from VCD, as both sides see it, and from events."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from bridge.avro.external_encoder import encode_command
from bridge.avro.external_shape import FIELDS, REFERENCE_FIELDS, TENANT_ERROR_FIELDS
from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.support.external import NAMESPACE, ExternalSite, running_external_site
from tests.support.kafka import KafkaNode

JOBS = "com.example.jobs"
OWNER, USER, MADE = (well_known_uuid(kind, "acme") for kind in ("vApp", "user", "vm"))

RESULT = ("resultContent", "resultReference")

Document = dict[str, Any]


def error(word: str) -> Document:
    def half(text: str, code: int) -> Document:
        return {
            "message": f"{text} {word}", "majorErrorCode": code, "minorErrorCode": f"{text}_CODE",
            "vendorSpecificErrorCode": f"{text}-vendor",
        }  # fmt: skip

    return {**half("provider", 500), "tenantError": half("tenant", 400)}


def reference(site: ExternalSite) -> Document:
    urn = f"urn:vcloud:vm:{MADE}"
    href = f"{site.simulator.url}/api/vApp/vm-{MADE}"
    return {"href": href, "id": urn, "type": "application/vnd.vmware.vcloud.vm+json", "name": "made"}


CREATED: Document = {
    "command": "create", "command_id": "create-1", "revision": 1, "organization": "acme", "serviceNamespace": JOBS,
    "operation": "Größere Änderung", "operationName": "change", "details": "waits", "description": "by the board",
    "owner": f"urn:vcloud:vapp:{OWNER}", "user": f"urn:vcloud:user:{USER}", "status": "queued", "progress": 10,
    "error": error("created"), "result": {"resultContent": {"files": {"größe": 1.5}, "none": None, "text": 'a "b"'}},
    "params": {"force": True, "level": {"deep": "x"}}, "expire_after_seconds": 3600, "correlation_id": "CHG-1",
}  # fmt: skip
UPDATED: Document = {
    "command": "update", "command_id": "update-1", "revision": 2, "organization": "acme", "serviceNamespace": JOBS,
    "operation": "Other words", "operationName": "change2", "details": "half done", "description": "by a person",
    "owner": f"urn:vcloud:vapp:{OWNER}", "user": f"urn:vcloud:user:{USER}", "status": "running", "progress": 60,
    "error": error("updated"), "params": {"force": True, "level": {"deep": "x"}}, "expire_after_seconds": 7200,
    "correlation_id": "CHG-2",
}  # fmt: skip
FINISHED: Document = {
    "command": "finish", "command_id": "finish-1", "revision": 3, "status": "error", "progress": 90,
    "details": "gave up", "operation": "Last words", "operationName": "change3", "description": "by nobody",
    "error": error("finished"), "result": {"resultContent": {"rows": 5}}, "correlation_id": "CHG-3",
}  # fmt: skip


def flat(document: Mapping[str, Any]) -> Document:
    """Without objects, by dotted names, as tools without nesting send it."""

    def leaves(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(value, dict):
            for name, inner in value.items():
                yield from leaves(f"{prefix}.{name}" if prefix else name, inner)
        else:
            yield prefix, value

    return dict(leaves("", document))


def as_json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode()


FORMS: dict[str, Callable[[Document], bytes]] = {
    "nested": as_json,
    "flat": lambda document: as_json(flat(document)),
    "avro": encode_command,
}


@pytest.fixture(scope="module")
def site(kafka: KafkaNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExternalSite]:
    directory = tmp_path_factory.mktemp("external-documents")
    settings = {"namespaces": {JOBS: {}}, "update_interval_seconds": 0.05}
    with running_external_site(kafka.bootstrap, directory, external_tasks=settings) as running:
        running.start().wait_ready()
        yield running
        running.check()


def wait_task(site: ExternalSite, key: str, status: str) -> Document:
    """The Task of the event that tells a status."""
    events = site.wait_told(
        lambda told: any(e["external_key"] == key and (e["task"] or {}).get("status") == status for e in told)
    )
    (event,) = [e for e in events if e["external_key"] == key and e["task"]["status"] == status]
    task: Document = event["task"]
    return task


def settable(command: Mapping[str, Any], result: Any) -> Document:
    """What a Task shows of a command's own fields."""
    names = ("operationName", "details", "description", "status", "progress", "error")
    return {**{name: command[name] for name in names}, "result": result}


def told(task: Mapping[str, Any]) -> Document:
    """The same of a Task in an event, where free content is JSON text."""
    result = _members(task["result"], RESULT)
    if "resultContent" in result:
        result["resultContent"] = json.loads(result["resultContent"])
    return settable(task, result)


def shown(task: Mapping[str, Any]) -> Document:
    """The same of a Task in VCD, which writes more members than it was given."""
    result = _members(task["result"], RESULT)
    if "resultReference" in result:
        result["resultReference"] = _members(result["resultReference"], REFERENCE_FIELDS)
    halves = _members(task["error"], (*TENANT_ERROR_FIELDS, "tenantError"))
    halves["tenantError"] = _members(halves["tenantError"], TENANT_ERROR_FIELDS)
    return {**settable(task, result), "error": halves}


def _members(document: Mapping[str, Any], names: Sequence[str]) -> Document:
    """Those of ``names`` that are there."""
    return {name: document[name] for name in names if document.get(name) is not None}


def test_the_documents_here_hold_every_field_of_a_command() -> None:
    assert set(CREATED) == set(FIELDS)
    assert set(UPDATED) | {"result"} == set(FIELDS)


@pytest.mark.parametrize("form", FORMS)
def test_every_field_is_shown_in_vcd_and_told_in_events(site: ExternalSite, form: str) -> None:
    key, encode = f"CHG-{form}", FORMS[form]
    mark = f"/{key}]"
    provider, tenant = site.simulator.log_in("administrator@System"), site.simulator.log_in("admin@acme")
    made = {"resultReference": reference(site)}
    stages = (
        (CREATED, CREATED["result"]), ({**UPDATED, "result": made}, made), (FINISHED, FINISHED["result"]),
    )  # fmt: skip
    for command, result in stages:
        site.command_bytes(encode(command), key, command)
        event = wait_task(site, key, command["status"])
        path = f"/api/task/{event['id'][-36:]}"
        task = provider.get(path).json()
        wanted = settable(command, result)
        assert shown(task) == wanted
        assert told(event) == wanted
        for text in (task["operation"], event["operation"]):
            assert text.startswith(f"{command['operation']} [")
            assert text.endswith(mark)
        # What a create alone can set stays.
        assert (task["owner"]["id"], event["owner"]["id"]) == (CREATED["owner"], CREATED["owner"])
        assert (task["user"]["href"][-36:], event["user"]["href"][-36:]) == (USER, USER)
        assert (task["organization"]["name"], event["organization"]["name"]) == ("acme", "acme")
        assert (task["serviceNamespace"], event["serviceNamespace"]) == (JOBS, JOBS)
        assert (task["params"], json.loads(event["params"])) == (CREATED["params"], CREATED["params"])
        # Tenants see their half of the error, in its place.
        assert tenant.get(path).json()["error"]["message"] == command["error"]["tenantError"]["message"]
    events = site.told(key)
    assert [(e["change"], e["task"]["status"], e["final"]) for e in events] == [
        ("accepted", "queued", False), ("changed", "running", False), ("finished", "error", True),
    ]  # fmt: skip
    assert {e["correlation_id"] for e in events} == {"CHG-1"}, "a story keeps the one that it began with"
    assert events[-1]["vcd_error"] == FINISHED["error"]
    # What VCD alone sets came from VCD.
    assert events[-1]["task"]["name"] == "task"
    assert None not in {
        events[-1]["task"][name] for name in ("id", "href", "type", "startTime", "endTime", "expiryTime")
    }


def test_what_is_not_given_stays_and_what_is_given_is_given_whole(site: ExternalSite) -> None:
    key = "CHG-stays"
    site.command(
        "create", key, operation="Change", details="d", progress=5, error=error("whole"), params=[1, "a", None]
    )
    task = wait_task(site, key, "running")
    assert json.loads(task["params"]) == [1, "a", None]
    site.command("update", key, status="running", progress=50, error={"message": "less"}, result={"resultContent": [1]})
    site.wait_told(lambda events: any(e["external_key"] == key and e["task"]["progress"] == 50 for e in events))
    site.command("finish", key, result={"resultContent": "just text"})
    end = wait_task(site, key, "success")
    assert (end["details"], end["progress"], end["serviceNamespace"]) == ("d", 50, NAMESPACE)
    assert (end["error"]["message"], end["error"]["majorErrorCode"], end["error"]["tenantError"]) == ("less", 500, None)
    assert end["result"] == {"resultContent": '"just text"', "resultReference": None}
    (shown_now,) = site.shown(key)
    assert (shown_now["result"]["resultContent"], shown_now["operationName"]) == ("just text", "jobCustom")
