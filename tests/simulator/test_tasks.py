"""Tasks over their life: scripts, cancel, vanishing, memory, and how they are written."""

from __future__ import annotations

import gc
import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.simulator.clock import parse_time
from bridge.simulator.state import entities
from bridge.simulator.state.founding.inventory import well_known_uuid
from bridge.simulator.state.tasks.scripts import FINAL, PRESETS, ScriptError, read_script
from bridge.simulator.state.tasks.tasks import Task
from tests.simulator.driver import ACME, URL, VAPP, VAPP_2, VDC, VM, Caller, Cloud, error_code

VM_3 = f"vm-{well_known_uuid('vm', 'acme', 3)}"

TASK_KEYS = {
    "otherAttributes", "link", "href", "type", "id", "operationKey", "description", "tasks", "name", "owner", "error",
    "user", "organization", "progress", "params", "details", "vcTaskList", "result", "status", "operation",
    "operationName", "serviceNamespace", "startTime", "endTime", "expiryTime", "cancelRequested", "vCloudExtension",
}  # fmt: skip


def life(cloud: Cloud, caller: Caller, task: str, moments: int = 24, step: float = 0.5) -> list[tuple[str, Any]]:
    """What a poller sees, repeats left out."""
    seen: list[tuple[str, Any]] = []
    for _ in range(moments):
        document = caller.task(task)
        now = (document["status"], document["progress"])
        if not seen or seen[-1] != now:
            seen.append(now)
        cloud.wait(step)
    return seen


def test_an_ordinary_task_goes_from_queued_to_success(cloud: Cloud, admin: Caller) -> None:
    assert life(cloud, admin, admin.deploy()) == [
        ("queued", None), ("running", 0), ("running", 20), ("running", 40), ("running", 60), ("running", 80),
        ("success", 100),
    ]  # fmt: skip


def test_a_task_document_has_every_key_with_explicit_nulls(cloud: Cloud, admin: Caller) -> None:
    task = admin.deploy()
    document = admin.task(task)
    assert set(document) == TASK_KEYS
    assert document["name"] == "task"
    assert document["operationName"] == "vappDeploy"
    assert document["serviceNamespace"] == "com.vmware.vcloud"
    assert document["id"] == f"urn:vcloud:task:{task}"
    assert document["href"].endswith(f"/api/task/{task}")
    assert document["type"] == "application/vnd.vmware.vcloud.task+json"
    assert document["endTime"] is None
    assert document["error"] is None
    assert [link["rel"] for link in document["link"]] == ["task:cancel"]
    assert document["user"]["name"] == "admin"
    assert document["organization"]["name"] == "acme"
    cloud.wait(10)
    ended = admin.task(task)
    assert ended["link"] == []
    assert ended["endTime"] is not None


def test_dates_have_milliseconds_and_an_offset_without_a_colon(admin: Caller) -> None:
    document = admin.task(admin.deploy())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", document["startTime"])
    start, expiry = parse_time(document["startTime"]), parse_time(document["expiryTime"])
    assert start is not None
    assert expiry is not None
    assert expiry - start == 90 * 86400


def test_the_operation_text_changes_over_the_life(cloud: Cloud, admin: Caller) -> None:
    task = admin.deploy()
    first = admin.task(task)["operation"]
    cloud.wait(10)
    assert admin.task(task)["operation"] != first


def test_final_at_first_sight(cloud: Cloud, admin: Caller) -> None:
    cloud.set("scripts", {"operation": "deployVApp", "script": {"preset": "final-at-once"}})
    document = admin.json("POST", f"/vApp/{VAPP}/action/deploy", {}, status=202)
    assert document["status"] == "success"
    assert document["startTime"] == document["endTime"]


@pytest.mark.parametrize("status", ["error", "aborted", "canceled"])
def test_other_ends(cloud: Cloud, admin: Caller, status: str) -> None:
    cloud.set("scripts", {"script": {"preset": status}})
    task = admin.deploy()
    cloud.wait(10)
    document = admin.task(task)
    assert document["status"] == status
    assert (document["error"] is not None) is (status == "error")


def test_the_tenant_sees_its_own_error_and_the_provider_both(cloud: Cloud, admin: Caller, provider: Caller) -> None:
    error = {
        "message": "datastore ds-1 full",
        "majorErrorCode": 500,
        "minorErrorCode": "INTERNAL_SERVER_ERROR",
        "tenantError": {"message": "no space", "majorErrorCode": 500, "minorErrorCode": "INTERNAL_SERVER_ERROR"},
    }
    cloud.set("scripts", {"script": {"preset": "error", "error": error}})
    task = admin.deploy()
    cloud.wait(10)
    tenants, providers = admin.task(task)["error"], provider.task(task)["error"]
    assert (tenants["message"], tenants["tenantError"], tenants["stackTrace"]) == ("no space", None, None)
    assert providers["message"] == "datastore ds-1 full"
    assert providers["tenantError"]["message"] == "no space"
    assert providers["stackTrace"]


def test_unknown_statuses_are_shown_as_scripted(cloud: Cloud, admin: Caller) -> None:
    cloud.set("scripts", {"script": {"preset": "unknown-status"}})
    seen = [status for status, _ in life(cloud, admin, admin.deploy())]
    assert seen == ["queued", "running", "postRunning", "expectingAction", "success"]


def test_post_running_is_between_running_and_success(cloud: Cloud, admin: Caller) -> None:
    cloud.set("scripts", {"script": {"preset": "post-running"}})
    seen = [status for status, _ in life(cloud, admin, admin.deploy())]
    assert seen == ["queued", "running", "postRunning", "success"]


def test_results_and_the_tasks_of_vcenter(cloud: Cloud, admin: Caller) -> None:
    result = {"resultReference": {"href": f"{URL}/api/vApp/{VAPP_2}", "name": "copy"}}
    vc_tasks = [{"name": "PowerOnVM_Task", "moref": "task-7", "status": "success", "virtualCenterID": "vc-1"}]
    cloud.set("scripts", {"script": {"preset": "success", "result": result, "vc_tasks": vc_tasks}})
    task = admin.deploy()
    assert admin.task(task)["result"] is None, "there is none before the end"
    cloud.wait(10)
    document = admin.task(task)
    assert document["result"]["resultReference"]["name"] == "copy"
    assert document["result"]["resultContent"] is None
    (vc_task,) = document["vcTaskList"]["vcTask"]
    assert (vc_task["moref"], vc_task["errorMessage"]) == ("task-7", None)


def test_a_task_may_never_end_nor_reach_100(cloud: Cloud, admin: Caller) -> None:
    cloud.set("scripts", {"script": {"preset": "never-ends"}})
    task = admin.deploy()
    cloud.wait(1000)
    assert admin.task(task)["status"] == "running"
    cloud.set("scripts", {"script": {"preset": "below-100"}})
    other = admin.deploy(VAPP_2)
    cloud.wait(10)
    assert (admin.task(other)["status"], admin.task(other)["progress"]) == ("success", 80)


def test_a_script_of_steps_with_details_and_text(cloud: Cloud, admin: Caller) -> None:
    steps = [
        [0, "queued"],
        [1, "preRunning", None, "waiting for a change"],
        [2, "running", 7, "now", "Moving"],
        [3, "success"],
    ]
    cloud.set("scripts", {"entity": VAPP, "script": {"steps": steps}})
    task = admin.deploy()
    cloud.wait(1)
    assert admin.task(task)["details"] == "waiting for a change"
    cloud.wait(1)
    document = admin.task(task)
    assert (document["progress"], document["details"], document["operation"]) == (7, "now", "Moving")


def test_the_entitys_script_wins_over_the_operations_and_counts_its_uses(cloud: Cloud, admin: Caller) -> None:
    cloud.set("scripts", {"script": {"preset": "aborted", "seconds": 1}})
    cloud.set("scripts", {"operation": "deployVApp", "script": {"preset": "error", "seconds": 1}})
    cloud.set("scripts", {"entity": VAPP, "times": 1, "script": {"preset": "canceled", "seconds": 1}})
    ends = []
    for path in (f"/vApp/{VAPP}/action/deploy", f"/vApp/{VAPP}/action/deploy", f"/vApp/{VM}/power/action/powerOn"):
        task = admin.json("POST", path, None if "power/" in path else {}, status=202)["id"][-36:]
        cloud.wait(1)
        ends.append(admin.task(task)["status"])
    assert ends == ["canceled", "error", "aborted"]


def test_a_task_vanishes_with_403(cloud: Cloud, admin: Caller) -> None:
    cloud.set("scripts", {"script": {"preset": "success", "vanish_after": 12}})
    task = admin.deploy()
    cloud.wait(11)
    assert admin.task(task)["status"] == "success"
    cloud.wait(1)
    answer = admin.call("GET", f"/task/{task}")
    assert (answer.status, error_code(answer)) == (403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN")
    assert f"com.vmware.vcloud.entity.task:{task}".encode() in answer.body
    assert admin.query()["total"] == 0
    assert admin.json("GET", f"/vApp/{VAPP}")["tasks"] is None


DAY = 86400.0


def test_a_shorter_log_takes_what_has_ended_already(cloud: Cloud, admin: Caller) -> None:
    task = admin.deploy()
    cloud.wait(20)
    assert admin.call("GET", f"/task/{task}").status == 200
    cloud.set("settings", {"activity_log_keep_days": 10 / DAY})
    assert admin.call("GET", f"/task/{task}").status == 403


@pytest.mark.parametrize(
    ("keep_days", "gone_after"),
    [(0.0, 90 * DAY), (7.0, 7 * DAY + 10), (365.0, 90 * DAY)],
    ids=["until expiryTime", "as long as the log is kept", "whichever comes first"],
)
def test_a_task_expires(cloud: Cloud, keep_days: float, gone_after: float) -> None:
    """An end at 10 s. From then on it is nowhere."""
    cloud.set("settings", {
        "activity_log_keep_days": keep_days, "recent_task_seconds": 1e9, "session_absolute_seconds": 1e9,
        "session_idle_seconds": 1e9,
    })  # fmt: skip
    admin = cloud.log_in()
    task = admin.deploy()

    def places() -> list[bool]:
        return [
            admin.call("GET", f"/task/{task}").status == 200,
            any(one["id"].endswith(task) for one in admin.json("GET", f"/tasksList/{ACME}")["task"]),
            admin.query(f"id==urn:vcloud:task:{task}")["total"] == 1,
            admin.query("endDate=ge=2001-01-01")["total"] == 1,
            admin.json("GET", f"/vApp/{VAPP}")["tasks"] is not None,
            admin.call("GET", f"/entity/urn:vcloud:task:{task}").status == 200,
        ]

    cloud.wait(gone_after - 1)
    assert places() == [True] * 6
    cloud.wait(1.001)
    assert places() == [False] * 6


def test_a_clock_that_is_set_back_hides_no_end(cloud: Cloud, admin: Caller) -> None:
    task = admin.deploy()
    cloud.wait(10)
    ended = admin.task(task)
    assert ended["status"] == "success"
    cloud.set("settings", {"clock_ahead_seconds": -60})
    assert admin.task(task) == ended
    assert admin.query("status==success")["total"] == 1
    other = admin.deploy(VAPP_2)
    assert admin.query(sortDesc="startDate")["record"][0]["href"].endswith(task), "it is younger now than the other"
    cloud.wait(10)
    last = admin.task(other)
    assert last["status"] == "success"
    for one, found in ((ended, [task]), (last, [other, task])):
        for window in (f"endDate=ge={one['endTime']}", f"startDate=ge={one['startTime']}"):
            records = admin.query(window, sortAsc="startDate")["record"]
            assert [record["href"][-36:] for record in records] == found, window


def test_what_has_not_ended_does_not_expire_until_it_ends(cloud: Cloud) -> None:
    cloud.set("settings", {"session_absolute_seconds": 1e9, "session_idle_seconds": 1e9, "activity_log_keep_days": 1})
    cloud.set("scripts", {"script": {"preset": "never-ends"}})
    admin = cloud.log_in()
    task = admin.deploy()
    cloud.wait(100 * DAY)
    assert admin.task(task)["status"] == "running"
    cloud.set(f"tasks/{task}", {"status": "success"})
    assert admin.call("GET", f"/task/{task}").status == 403


def test_a_task_that_ended_leaves_its_entitys_list_by_time(cloud: Cloud, admin: Caller) -> None:
    """TasksInProgress are queued, running or *recently* completed."""
    task = admin.deploy()

    def listed() -> list[str]:
        tasks = admin.json("GET", f"/vApp/{VAPP}")["tasks"] or {"task": []}
        return [one["id"][-36:] for one in tasks["task"]]

    cloud.wait(70)
    assert listed() == [task]
    cloud.wait(1)
    assert listed() == []
    assert admin.task(task)["status"] == "success"
    cloud.set("settings", {"recent_task_seconds": 0, "task_seconds": 0})
    created = admin.json("POST", f"/vdc/{VDC}/action/composeVApp", {"name": "shop"}, status=201)
    assert created["tasks"]["task"][0]["status"] == "success", "the answer to a create has its Task in any case"


def test_another_organizations_task_is_hidden(cloud: Cloud, admin: Caller) -> None:
    assert cloud.log_in("admin@beta").call("GET", f"/task/{admin.deploy()}").status == 403


class TestCancel:
    def test_an_honored_cancel_ends_the_task_after_a_while(self, cloud: Cloud, admin: Caller) -> None:
        task = admin.deploy()
        cloud.wait(4)
        assert admin.call("POST", f"/task/{task}/action/cancel").status == 204
        document = admin.task(task)
        assert (document["status"], document["cancelRequested"]) == ("running", True)
        cloud.wait(1)
        assert admin.task(task)["status"] == "aborted"
        assert admin.json("GET", f"/vApp/{VAPP}")["deployed"] is False

    def test_how_soon_and_to_what_a_cancel_comes_can_be_scripted(self, cloud: Cloud, admin: Caller) -> None:
        script = {"preset": "success", "cancel_seconds": 2, "cancel_status": "canceled"}
        cloud.set("scripts", {"entity": VAPP, "script": script})
        cloud.set("scripts", {"entity": VAPP_2, "script": {**script, "cancel_seconds": 0}})
        slow, quick = admin.deploy(), admin.deploy(VAPP_2)
        cloud.wait(4)
        for task in (slow, quick):
            admin.call("POST", f"/task/{task}/action/cancel")
        assert (admin.task(slow)["status"], admin.task(quick)["status"]) == ("running", "canceled")
        cloud.wait(2)
        assert admin.task(slow)["status"] == "canceled"

    def test_a_second_cancel_does_not_put_the_end_off(self, cloud: Cloud, admin: Caller) -> None:
        task = admin.deploy()
        cloud.wait(4)
        for _ in range(2):
            assert admin.call("POST", f"/task/{task}/action/cancel").status == 204
            cloud.wait(0.5)
        assert admin.task(task)["status"] == "aborted"

    def test_the_tasks_own_end_may_come_first(self, cloud: Cloud, admin: Caller) -> None:
        cloud.set("scripts", {"script": {"preset": "success", "cancel_seconds": 5}})
        task = admin.deploy()
        cloud.wait(9)
        admin.call("POST", f"/task/{task}/action/cancel")
        cloud.wait(1)
        assert admin.task(task)["status"] == "success"

    def test_an_ignored_cancel_only_sets_the_flag(self, cloud: Cloud, admin: Caller) -> None:
        cloud.set("scripts", {"script": {"preset": "success", "cancel": "ignore"}})
        task = admin.deploy()
        assert admin.call("POST", f"/task/{task}/action/cancel").status == 204
        cloud.wait(10)
        assert (admin.task(task)["status"], admin.task(task)["cancelRequested"]) == ("success", True)

    def test_a_refused_cancel_and_one_of_an_ended_task(self, cloud: Cloud, admin: Caller) -> None:
        cloud.set("scripts", {"script": {"preset": "success", "cancel": "refuse"}})
        task = admin.deploy()
        assert admin.task(task)["link"] == []
        assert admin.call("POST", f"/task/{task}/action/cancel").status == 400
        cloud.wait(10)
        assert admin.call("POST", f"/task/{task}/action/cancel").status == 400
        assert admin.task(task)["cancelRequested"] is False


def test_owner_references_are_whole_unless_a_setting_empties_some(cloud: Cloud, admin: Caller) -> None:
    cloud.set("settings", {"task_seconds": 0})
    assert all(all(admin.task(admin.deploy())["owner"][key] for key in ("href", "name")) for _ in range(20))
    cloud.set("settings", {"empty_owner_href_every": 10})
    owners = [admin.task(admin.deploy())["owner"] for _ in range(20)]
    assert [owner["href"] for owner in owners].count("") == 2
    assert [owner["name"] for owner in owners].count("") == 2
    assert all(owner["id"].startswith("urn:vcloud:vapp:") for owner in owners)


def test_a_queued_task_may_lack_a_start_time(cloud: Cloud, admin: Caller) -> None:
    cloud.set("settings", {"queued_has_start": False})
    task = admin.deploy()
    assert admin.task(task)["startTime"] is None
    cloud.wait(2)
    assert admin.task(task)["startTime"] is not None


def test_memory_is_bounded_by_forgetting_the_oldest_ended_tasks(cloud: Cloud, admin: Caller) -> None:
    cloud.set("scripts", {"entity": VAPP, "times": 1, "script": {"preset": "never-ends"}})
    open_one = admin.deploy()
    cloud.set("settings", {"task_seconds": 0})
    first = last = admin.deploy(VM_3)
    for _ in range(2500):
        last = admin.deploy(VAPP_2)
    assert cloud.admin("GET", "state")[1]["tasks"]["kept"] <= 1000
    assert admin.call("GET", f"/task/{first}").status == 403
    assert admin.json("GET", f"/vApp/{VM_3}")["tasks"] is None
    assert admin.task(last)["status"] == "success"
    assert admin.task(open_one)["status"] == "queued"


def test_forgotten_things_are_freed_without_a_garbage_collection(
    cloud: Cloud, admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entities, "MAXIMUM_LENIENT", 10)
    cloud.set("settings", {"lenient_entities": True, "task_seconds": 0})
    cloud.director.cloud.engine.maximum = 10

    def kept() -> int:
        return sum(isinstance(one, Task | entities.Entity) for one in gc.get_objects())

    gc.collect()
    before = kept()
    gc.disable()
    try:
        for number in range(200):
            admin.deploy(f"vapp-12345678-0000-4000-8000-{number:012d}")
        assert kept() - before <= 25
    finally:
        gc.enable()


def test_what_comes_and_goes_leaves_nothing_behind(cloud: Cloud, admin: Caller) -> None:
    cloud.set("settings", {"task_seconds": 0})
    cloud.director.cloud.engine.maximum = 20

    def cycle(number: int) -> None:
        for path, body in (
            (f"/vdc/{VDC}/action/composeVApp", {"name": f"shop-{number}"}),
            (f"/vdc/{VDC}/disk", {"disk": {"name": f"data-{number}", "sizeMb": 10}}),
        ):
            made = admin.json("POST", path, body, status=201)
            admin.json("DELETE", made["href"].removeprefix(f"{URL}/api"), status=202)
        admin.query(f"name!=x{number}", pageSize=5)
        cloud.log_in("user@acme").call("DELETE", "/cloudapi/1.0.0/sessions/current")
        cloud.wait(1)

    def kept() -> Counter[str]:
        gc.collect()
        # The ledger keeps its entries, which are tuples.
        kinds = (type(one) for one in gc.get_objects())
        return Counter(kind.__name__ for kind in kinds if str(kind.__module__).startswith("bridge."))

    for number in range(40):
        cycle(number)
    before = kept()
    for number in range(40, 120):
        cycle(number)
    grown = kept() - before
    assert sum(grown.values()) <= 20, grown


def test_a_force_ends_or_moves_a_task_now(cloud: Cloud, admin: Caller) -> None:
    task = admin.deploy()
    cloud.set(f"tasks/{task}", {"status": "postRunning", "progress": 99})
    cloud.wait(100)
    assert (admin.task(task)["status"], admin.task(task)["progress"]) == ("postRunning", 99)
    cloud.set(f"tasks/{task}", {"status": "success"})
    assert admin.json("GET", f"/vApp/{VAPP}")["deployed"] is True
    assert cloud.admin("POST", f"tasks/{task}", {"status": "running"})[0] == 400


@given(
    seconds=st.floats(0, 100),
    waits=st.lists(st.floats(0, 30), max_size=12),
    cancel_after=st.none() | st.integers(0, 12),
    script=st.sampled_from(["success", "error", "unknown-status", "final-at-once", "no-progress", "below-100"]),
)
@settings(max_examples=150, deadline=None)
def test_an_end_is_seen_everywhere_at_once(
    seconds: float, waits: list[float], cancel_after: int | None, script: str
) -> None:
    """Status, endTime, the query and the entity's lock agree at any moment; an end stays."""
    cloud = Cloud()
    admin = cloud.log_in()
    cloud.set("scripts", {"script": {"preset": script, "seconds": seconds}})
    task, ended = admin.deploy(), None
    for number, wait in enumerate([*waits, 200.0]):
        cloud.wait(wait)
        if number == cancel_after:
            admin.call("POST", f"/task/{task}/action/cancel")
        document = admin.task(task)
        is_final = document["status"] in FINAL
        assert is_final is (document["endTime"] is not None)
        assert is_final is (cloud.admin("GET", f"entities/{VAPP}")[1]["busy"] is None)
        assert admin.query(f"status=={document['status']}")["total"] == 1
        assert admin.query("endDate=ge=2001-01-01")["total"] == int(is_final)
        assert ended is None or ended == document
        ended = document if is_final else None
    assert ended is not None


def test_every_preset_reads() -> None:
    for name in PRESETS:
        script = read_script({"preset": name, "seconds": 3}, 1.0)
        assert script.at(0.0).status
        assert script.ends_after is None or script.ends_after <= 3


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"preset": "slow"}, "slow"),
        ({"seconds": -1}, "seconds"),
        ({"seconds": True}, "seconds"),
        ({"steps": []}, "steps"),
        ({"steps": [[0]]}, "not a step"),
        ({"steps": [[2, "running"], [1, "success"]]}, "order"),
        ({"steps": [[0, "success"], [1, "running"]]}, "final"),
        ({"cancel": "maybe"}, "cancel"),
        ({"sceonds": 1}, "sceonds"),
        ({"error": "x"}, "error"),
        ({"error": {"code": 7}}, "'error': unknown key 'code'"),
        ({"error": {"tenantError": {"stackTrace": "x"}}}, "stackTrace"),
        ({"result": {"reference": {}}}, "'result': unknown key 'reference'"),
        ({"vc_tasks": [{"moRef": "x"}]}, "moRef"),
        ({"vc_tasks": {}}, "vc_tasks"),
        ({"preset": ["x"]}, "preset"),
    ],
)
def test_bad_scripts_are_named(document: dict[str, Any], named: str) -> None:
    with pytest.raises(ScriptError, match=named):
        read_script(document, 1.0)
