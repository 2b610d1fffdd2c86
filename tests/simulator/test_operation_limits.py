"""Operation limits: what runs, what waits queued in which order, what is refused; who sets them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.simulator.driver import ACME, URL, VAPP, VAPP_2, VDC, Caller, Cloud, error_code

VAPP_3 = f"vapp-{well_known_uuid('vApp', 'acme', 3)}"
VAPP_4 = f"vapp-{well_known_uuid('vApp', 'acme', 4)}"
VAPPS = (VAPP, VAPP_2, VAPP_3, VAPP_4)


def statuses(caller: Caller, *tasks: str) -> list[str]:
    return [caller.task(task)["status"] for task in tasks]


def test_without_limits_everything_runs(cloud: Cloud, admin: Caller) -> None:
    tasks = [admin.deploy(vapp) for vapp in VAPPS]
    cloud.wait(5)
    assert statuses(admin, *tasks) == ["running"] * 4


def test_beyond_the_users_limit_tasks_wait_and_start_in_order(cloud: Cloud, admin: Caller) -> None:
    cloud.set("settings", {"operations_per_user": 1})
    first, second, third = (admin.deploy(vapp) for vapp in VAPPS[:3])
    cloud.wait(9.5)
    assert statuses(admin, first, second, third) == ["running", "queued", "queued"]
    cloud.wait(5.5)
    assert statuses(admin, first, second, third) == ["success", "running", "queued"]
    assert admin.task(second)["progress"] == 40, "its time counts from its start"
    cloud.wait(15)
    assert statuses(admin, first, second, third) == ["success", "success", "success"]
    ends = [admin.task(task)["endTime"][17:23] for task in (first, second, third)]
    assert ends == ["10.000", "20.000", "30.000"], "each starts at the moment at which the one before ends"


def test_what_waits_holds_its_entity(cloud: Cloud, admin: Caller) -> None:
    cloud.set("settings", {"operations_per_user": 1})
    admin.deploy()
    waiting = admin.deploy(VAPP_2)
    answer = admin.call("POST", f"/vApp/{VAPP_2}/action/undeploy", {})
    assert (answer.status, error_code(answer)) == (400, "BUSY_ENTITY")
    assert waiting in json.loads(answer.body)["message"]
    assert admin.json("GET", f"/vApp/{VAPP_2}")["tasks"]["task"][0]["status"] == "queued"
    assert admin.query("status==queued;object==*" + VAPP_2)["total"] == 1


def test_users_count_apart_and_organizations_together(cloud: Cloud, admin: Caller, provider: Caller) -> None:
    cloud.set("settings", {"operations_per_user": 1})
    tasks = [admin.deploy(VAPP), provider.deploy(VAPP_2), admin.deploy(VAPP_3)]
    cloud.wait(5)
    assert statuses(admin, *tasks) == ["running", "running", "queued"]
    cloud.wait(30)
    cloud.set("settings", {"operations_per_user": 0, "operations_per_org": 1})
    tasks = [
        one.json("POST", f"/vApp/{vapp}/action/undeploy", {}, status=202)["id"][-36:]
        for one, vapp in ((admin, VAPP), (provider, VAPP_2))
    ]
    other = cloud.log_in("admin@beta").deploy(f"vapp-{well_known_uuid('vApp', 'beta')}")
    cloud.wait(5)
    assert statuses(admin, *tasks) == ["running", "queued"]
    assert provider.task(other)["status"] == "running"


def test_a_user_at_the_limit_does_not_hold_up_others(cloud: Cloud, admin: Caller, provider: Caller) -> None:
    cloud.set("settings", {"operations_per_user": 1, "operations_per_org": 2})
    cloud.set("scripts", {"entity": VAPP, "script": {"preset": "never-ends"}})
    stuck, other, behind_stuck, behind_other = (
        admin.deploy(VAPP), provider.deploy(VAPP_2), admin.deploy(VAPP_3), provider.deploy(VAPP_4),
    )  # fmt: skip
    cloud.wait(15)
    assert statuses(provider, stuck, other, behind_stuck, behind_other) == ["running", "success", "queued", "running"]


def test_how_many_may_wait_is_limited_too(cloud: Cloud, admin: Caller, provider: Caller) -> None:
    cloud.set("settings", {"operations_per_org": 1, "queued_operations_per_user": 1, "queued_operations_per_org": 2})
    admin.deploy(VAPP)
    admin.deploy(VAPP_2)
    answer = admin.call("POST", f"/vApp/{VAPP_3}/action/deploy", {})
    assert (answer.status, error_code(answer)) == (400, "OPERATION_LIMITS_EXCEEDED")
    text = 'The maximum number of simultaneous operations for user "admin" on organization "acme" has been reached.'
    assert json.loads(answer.body)["message"].endswith(text)
    provider.deploy(VAPP_3)
    answer = provider.call("POST", f"/vApp/{VAPP_4}/action/deploy", {})
    assert error_code(answer) == "OPERATION_LIMITS_EXCEEDED"
    assert cloud.admin("GET", f"entities/{VAPP_4}")[1]["busy"] is None


def test_a_refused_creation_creates_nothing(cloud: Cloud, admin: Caller) -> None:
    cloud.set("settings", {"operations_per_user": 1, "queued_operations_per_user": 1})
    admin.deploy(VAPP)
    admin.deploy(VAPP_2)
    before = len(cloud.director.cloud.store)
    answer = admin.call("POST", f"/vdc/{VDC}/action/composeVApp", {"name": "shop"})
    assert error_code(answer) == "OPERATION_LIMITS_EXCEEDED"
    assert len(cloud.director.cloud.store) == before


def test_a_cancel_ends_the_waiting(cloud: Cloud, admin: Caller) -> None:
    cloud.set("settings", {"operations_per_user": 1})
    first, canceled, third = (admin.deploy(vapp) for vapp in VAPPS[:3])
    cloud.wait(9.5)
    assert admin.call("POST", f"/task/{canceled}/action/cancel").status == 204
    assert statuses(admin, canceled) == ["queued"]
    cloud.wait(0.6)
    assert statuses(admin, first, canceled) == ["success", "queued"], "it does not start any more"
    cloud.wait(0.4)
    assert admin.task(canceled)["status"] == "aborted"
    cloud.wait(4)
    assert admin.task(third)["status"] == "running"


def test_an_ignored_cancel_of_a_waiting_task(cloud: Cloud, admin: Caller) -> None:
    cloud.set("settings", {"operations_per_user": 1})
    cloud.set("scripts", {"entity": VAPP_2, "script": {"preset": "success", "cancel": "ignore"}})
    admin.deploy()
    second = admin.deploy(VAPP_2)
    admin.call("POST", f"/task/{second}/action/cancel")
    cloud.wait(20)
    document = admin.task(second)
    assert (document["status"], document["cancelRequested"]) == ("success", True)


def test_a_blocking_task_blocks_when_it_may_run(cloud: Cloud, admin: Caller, provider: Caller) -> None:
    cloud.set("settings", {"operations_per_user": 1})
    cloud.set("scripts", {"entity": VAPP_2, "script": {"preset": "blocking"}})
    first, held, third = (admin.deploy(vapp) for vapp in VAPPS[:3])
    cloud.wait(5)
    assert statuses(admin, first, held) == ["running", "queued"]
    assert provider.json("GET", "/admin/extension/blockingTasks")["reference"] == []
    cloud.wait(100)
    assert statuses(admin, first, held, third) == ["success", "preRunning", "queued"]
    (reference,) = provider.json("GET", "/admin/extension/blockingTasks")["reference"]
    action = f"{reference['href'].removeprefix(f'{URL}/api')}/action/abort"
    assert provider.call("POST", action, {"message": "no"}).status == 204
    cloud.wait(5)
    assert statuses(admin, held, third) == ["aborted", "running"]


def test_a_raised_limit_starts_what_waits(cloud: Cloud, admin: Caller) -> None:
    cloud.set("settings", {"operations_per_user": 1})
    tasks = [admin.deploy(vapp) for vapp in VAPPS]
    cloud.wait(5)
    cloud.set("settings", {"operations_per_user": 3})
    cloud.wait(2)
    assert statuses(admin, *tasks) == ["running", "running", "running", "queued"]
    cloud.set("settings", {"operations_per_user": 0})
    cloud.wait(2)
    assert statuses(admin, *tasks) == ["running"] * 4


def test_tasks_that_end_as_they_begin_pass_in_any_number(cloud: Cloud, admin: Caller) -> None:
    cloud.set("settings", {"operations_per_user": 1, "lenient_entities": True, "busy": False, "task_seconds": 0})
    cloud.set("scripts", {"entity": VAPP, "script": {"preset": "success", "seconds": 1}})
    admin.deploy()
    tasks = [admin.deploy(f"vapp-12345678-0000-4000-8000-{number:012d}") for number in range(900)]
    assert admin.task(tasks[-1])["status"] == "queued"
    cloud.wait(1)
    assert admin.task(tasks[-1])["status"] == "success"
    assert cloud.director.cloud.engine.queue.queued == 0


def test_the_start_of_what_waited(cloud: Cloud, admin: Caller) -> None:
    """The schema: startTime is when the system began with it, and may be absent before."""
    cloud.set("settings", {"operations_per_user": 1, "queued_has_start": False})
    admin.deploy()
    second = admin.deploy(VAPP_2)
    cloud.wait(5)
    assert admin.task(second)["startTime"] is None
    cloud.wait(8)
    document = admin.task(second)
    assert document["startTime"][17:23] == "10.000"
    start = document["startTime"]
    assert admin.query(f"startDate=ge={start}")["record"][0]["href"].endswith(second)


def test_somebody_moves_a_waiting_task_on(cloud: Cloud, admin: Caller) -> None:
    cloud.set("settings", {"operations_per_user": 1})
    first, second, third = (admin.deploy(vapp) for vapp in VAPPS[:3])
    cloud.set(f"tasks/{second}", {"status": "running"})
    cloud.wait(15)
    assert statuses(admin, first, second, third) == ["success", "running", "queued"]
    cloud.set(f"tasks/{second}", {"status": "success"})
    cloud.wait(5)
    assert statuses(admin, second, third) == ["success", "running"]


def test_external_tasks_are_no_operations(cloud: Cloud, admin: Caller, provider: Caller) -> None:
    cloud.set("settings", {"operations_per_org": 1, "queued_operations_per_org": 1})
    body = {
        "name": "task", "status": "running", "serviceNamespace": "org.example",
        "user": {"href": f"{URL}/api/admin/user/{well_known_uuid('user', 'System')}"},
    }  # fmt: skip
    for _ in range(3):
        assert provider.json("POST", f"/tasksList/{ACME}", body)["status"] == "running"
    task = admin.deploy()
    cloud.wait(5)
    assert admin.task(task)["status"] == "running"


@given(
    per_user=st.integers(0, 2),
    per_org=st.integers(0, 3),
    steps=st.lists(
        st.tuples(st.sampled_from(["admin", "provider"]), st.sampled_from(["start", "cancel", "wait"]),
                  st.integers(0, 12)),
        max_size=25,
    ),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_never_more_than_the_limits_and_in_the_end_all_have_run(
    per_user: int, per_org: int, steps: list[tuple[str, str, int]]
) -> None:
    cloud = Cloud()
    callers = {"admin": cloud.log_in(), "provider": cloud.log_in("administrator@System")}
    cloud.set("settings", {"operations_per_user": per_user, "operations_per_org": per_org, "busy": False,
                           "strict_states": False, "lenient_entities": True})  # fmt: skip
    cloud.set("scripts", {"script": {"steps": [[0, "running"], [3, "success"]]}})
    tasks: list[tuple[str, str]] = []
    for number, (who, do, value) in enumerate(steps):
        if do == "start":
            vapp = f"vapp-12345678-0000-4000-8000-{number:012d}"
            path = f"/vApp/{vapp}/action/deploy"
            headers: Any = {} if who == "admin" else {"x-vmware-vcloud-tenant-context": ACME}
            tasks.append((who, callers[who].json("POST", path, {}, status=202, **headers)["id"][-36:]))
        elif do == "cancel" and tasks:
            callers["provider"].call("POST", f"/task/{tasks[value % len(tasks)][1]}/action/cancel")
        else:
            cloud.wait(value / 4)
        running = [who for who, task in tasks if callers["provider"].task(task)["status"] == "running"]
        assert not per_org or len(running) <= per_org
        assert not per_user or max(map(running.count, running), default=0) <= per_user
    cloud.wait(200)
    documents = [callers["provider"].task(task) for _, task in tasks]
    assert all(document["status"] in ("success", "aborted") for document in documents)
    for who in callers:
        starts = [document["endTime"] for (owner, _), document in zip(tasks, documents, strict=True)
                  if owner == who and document["status"] == "success" and not document["cancelRequested"]]  # fmt: skip
        assert starts == sorted(starts), "first come, first served"
