"""What tests of a service learn about its external tasks, the company they can give it, and the faults it meets."""

from __future__ import annotations

import http.client
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from bridge.simulator.calls.queries.fiql import parse
from bridge.simulator.calls.queries.service import QueryService
from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.simulator.driver import ACME, Caller, Cloud
from tests.support.simulator import ACME_ORG, Client, Reply, Simulator, running_simulator

MARK = "[vcd-bridge/vcd.external-tasks-0/CHG-1]"
USER = {"href": f"https://x.example/api/admin/user/{well_known_uuid('user', 'System')}"}

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with running_simulator(task_seconds=0) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator) -> Iterator[Simulator]:
    yield running
    running.clear_faults()


@pytest.fixture
def provider(simulator: Simulator) -> Client:
    return simulator.log_in("administrator@System")


@pytest.fixture
def namespace() -> str:
    """One that no other test uses."""
    return f"org.example.judged.{next(_numbers)}"


def body(namespace: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": "task", "status": "running", "serviceNamespace": namespace, "operation": f"Change CHG-1 {MARK}",
        "operationName": "change", "user": USER, **changes,
    }  # fmt: skip


def post(provider: Client, namespace: str, **changes: Any) -> Reply:
    return provider.post(f"/api/tasksList/{ACME_ORG}", body(namespace, **changes))


def put(provider: Client, task: str, namespace: str, **changes: Any) -> Reply:
    return provider.call("PUT", f"/api/task/{task}", body(namespace, **changes))


def create(provider: Client, namespace: str, **changes: Any) -> str:
    reply = post(provider, namespace, **changes)
    assert reply.status == 200, reply.body
    task: str = reply.json()["id"][-36:]
    return task


class TestJudging:
    def test_how_often_a_task_was_called(self, simulator: Simulator, provider: Client, namespace: str) -> None:
        task = create(provider, namespace)
        create(provider, namespace, operation="no mark")
        for changes in ({"progress": 10}, {"progress": 200}, {"progress": 20}, {"status": "success"},
                        {"status": "error"}, {"name": ""}):  # fmt: skip
            put(provider, task, namespace, **changes)
            simulator.press_cancel(task)
        (found,) = simulator.external_tasks(namespace, MARK)
        document = found.pop("task")
        assert (document["id"][-36:], document["status"]) == (task, "success")
        assert found == {
            "seeded": False, "updates": 3, "terminal_updates": 1, "refused_updates": 3, "updates_after_end": 2,
            "cancels": 3,
        }  # fmt: skip
        assert len(simulator.external_tasks(namespace)) == 2
        assert len(simulator.external_tasks(mark=f"{namespace} nothing")) == 0

    def test_the_ledger_tells_the_order(self, simulator: Simulator, provider: Client, namespace: str) -> None:
        before = simulator.state()["ledger"]["last"]
        post(provider, "")
        task = create(provider, namespace)
        put(provider, task, namespace, operation=f"Half of CHG-1 {MARK}")
        simulator.press_cancel(task)
        put(provider, task, namespace, status="aborted")
        put(provider, task, namespace, status="running", operation="late")
        rows = [row for row in simulator.ledger(before, changes=True) if row["operation"] != "login"]
        assert [
            (row["operation"], row["user"], row["status"], row["effect"], row["task_status"], row["task_operation"])
            for row in rows
        ] == [
            ("createExternalTask", "administrator", 400, False, None, None),
            ("createExternalTask", "administrator", 200, True, "running", f"Change CHG-1 {MARK}"),
            ("updateTask", "administrator", 200, True, "running", f"Half of CHG-1 {MARK}"),
            ("cancelTask", "admin", 204, True, "running", f"Half of CHG-1 {MARK}"),
            ("updateTask", "administrator", 200, True, "aborted", f"Change CHG-1 {MARK}"),
            ("updateTask", "administrator", 400, False, "aborted", f"Change CHG-1 {MARK}"),
        ]
        assert [row["task"] for row in rows] == [None, *[task] * 5]
        assert [row["sequence"] for row in rows] == sorted(row["sequence"] for row in rows)

    def test_vcds_own_tasks_have_no_such_fields(self, simulator: Simulator) -> None:
        vdc = simulator.admin("GET", "entities?kind=vApp")[0]
        simulator.log_in(f"admin@{vdc['organization']}").post(f"/api{vdc['path']}/action/deploy", {})
        row = simulator.ledger(changes=True)[-1]
        assert (row["operation"], row["task"] is None) == ("deployVApp", False)
        assert (row["task_status"], row["task_operation"]) == (None, None)
        assert all(row["task"] != one["task"]["id"][-36:] for one in simulator.external_tasks())


class TestCompany:
    def test_tasks_of_others(self, simulator: Simulator, provider: Client, namespace: str) -> None:
        before = simulator.state()["ledger"]["last"]
        theirs = "[other-group/vcd.external-tasks-0/CHG-1]"
        marked = simulator.seed_external_tasks(serviceNamespace=namespace, operation=f"Change {theirs}")
        bare = simulator.seed_external_tasks(
            serviceNamespace=namespace, operation="Change", status="success", count=2, organization="beta"
        )
        assert simulator.ledger(before) == []
        found = simulator.external_tasks(namespace)
        assert [one["task"]["id"][-36:] for one in found] == [*marked, *bare]
        assert {one["seeded"] for one in found} == {True}
        assert [(one["task"]["status"], one["task"]["endTime"] is None) for one in found] == [
            ("running", True), ("success", False), ("success", False)
        ]  # fmt: skip
        assert {one["task"]["user"]["name"] for one in found} == {"operator"}
        assert [one["task"]["organization"]["name"] for one in found] == ["acme", "beta", "beta"]
        assert [one["task"]["id"][-36:] for one in simulator.external_tasks(namespace, theirs)] == marked
        rows = provider.get(f"/api/query?type=adminTask&filter=serviceNamespace=={namespace}").json()["record"]
        assert {row["href"][-36:] for row in rows} == {*marked, *bare}
        assert put(provider, marked[0], namespace, status="success").status == 200, "they are Tasks like any other"

    def test_the_task_of_a_seed_is_judged_like_a_posted_one(self, simulator: Simulator, namespace: str) -> None:
        user = {"href": f"https://x.example/api/admin/user/{well_known_uuid('user', 'acme', 2)}"}
        (task,) = simulator.seed_external_tasks(
            serviceNamespace=namespace, user=user, status="error", error={"message": "no"}, progress=3, params=[1]
        )
        document = simulator.log_in("user@acme").get(f"/api/task/{task}").json()
        assert (document["user"]["name"], document["error"]["message"], document["params"]) == ("user", "no", [1])
        mistakes: list[dict[str, Any]] = [
            {}, {"task": {}}, {"task": {"serviceNamespace": "com.vmware.vcloud"}}, {"task": 1},
            {"task": {"serviceNamespace": namespace, "progress": 101}}, {"organization": "x", "task": {}},
            {"task": {"serviceNamespace": namespace}, "count": 0}, {"tasks": []},
        ]  # fmt: skip
        for wrong in mistakes:
            with pytest.raises(AssertionError, match=r"400.*error"):
                simulator.admin("POST", "external-tasks", wrong)
        with pytest.raises(AssertionError, match=r"400.*unknown parameter .*marks"):
            simulator.admin("GET", "external-tasks?marks=1")
        assert len(simulator.external_tasks(namespace)) == 1

    def test_somebody_ends_or_changes_it_from_outside(
        self, simulator: Simulator, provider: Client, namespace: str
    ) -> None:
        """As VCD's own operators can: the service's next PUT is too late."""
        task = create(provider, namespace, details="at work")
        assert simulator.force_task(task, progress=50, details="seen")["details"] == "seen"
        forced = simulator.force_task(task, status="aborted", operation="Stopped by VCD")
        assert (forced["status"], forced["operation"]) == ("aborted", "Stopped by VCD")
        assert put(provider, task, namespace, status="success").status == 400
        (found,) = simulator.external_tasks(namespace)
        assert (found["updates"], found["terminal_updates"], found["updates_after_end"]) == (0, 0, 1)


class TestFaults:
    @pytest.mark.parametrize("effect", [False, True])
    @pytest.mark.parametrize(
        ("do", "error"),
        [("drop", http.client.RemoteDisconnected), ("reset", ConnectionResetError)],
    )
    def test_a_lost_answer(
        self, simulator: Simulator, provider: Client, namespace: str, do: str, error: type[Exception], effect: bool
    ) -> None:
        simulator.fault(do=do, operation="createExternalTask", effect=effect)
        with pytest.raises(error):
            post(provider, namespace)
        row = simulator.ledger(changes=True)[-1]
        assert (row["operation"], row["status"], row["effect"]) == ("createExternalTask", None, effect)
        assert [one["task"]["id"][-36:] for one in simulator.external_tasks(namespace)] == [row["task"]] * effect
        task = row["task"] or create(provider, namespace)
        simulator.fault(do=do, operation="updateTask", effect=effect)
        with pytest.raises(error):
            put(provider, task, namespace, status="success", details="done")
        row = simulator.ledger(changes=True)[-1]
        assert (row["operation"], row["status"], row["effect"]) == ("updateTask", None, effect)
        (found,) = simulator.external_tasks(namespace)
        assert (found["task"]["status"], found["task"]["details"], found["terminal_updates"]) == (
            ("success", "done", 1) if effect else ("running", "", 0)
        )

    @pytest.mark.parametrize("effect", [False, True])
    @pytest.mark.parametrize(
        "fault",
        [{"status": 401}, {"status": 429, "retry_after": 1}, {"status": 500}, {"status": 503},
         {"status": 400, "minor_code": "BUSY_ENTITY"}],
    )  # fmt: skip
    def test_another_answer(
        self, simulator: Simulator, provider: Client, namespace: str, fault: dict[str, Any], effect: bool
    ) -> None:
        task = create(provider, namespace)
        for operation in ("createExternalTask", "updateTask"):
            simulator.fault(operation=operation, effect=effect, user="administrator@System", **fault)
        assert post(provider, namespace).status == fault["status"]
        assert put(provider, task, namespace, progress=7).status == fault["status"]
        found = simulator.external_tasks(namespace)
        assert len(found) == 1 + effect
        assert (found[0]["task"]["progress"], found[0]["updates"]) == ((7, 1) if effect else (None, 0))
        assert found[0]["refused_updates"] == 0, "what a fault answers, no rule has refused"

    @pytest.mark.parametrize("effect", [False, True])
    def test_a_late_answer(self, simulator: Simulator, provider: Client, namespace: str, effect: bool) -> None:
        simulator.fault(do="delay", seconds=0.05, operation="createExternalTask", effect=effect)
        task = create(provider, namespace)
        simulator.fault(do="delay", seconds=0.05, operation="update*", effect=effect)
        assert put(provider, task, namespace, status="success").json()["status"] == "success"
        assert [row["fault"] for row in simulator.ledger(changes=True)[-2:]] == ["delay", "delay"]

    def test_only_one_task_is_met(self, simulator: Simulator, provider: Client, namespace: str) -> None:
        first, second = create(provider, namespace), create(provider, namespace)
        simulator.fault(status=500, operation="updateTask", entity=first)
        assert [put(provider, task, namespace).status for task in (second, first, first)] == [200, 500, 200]


class TestManyTasks:
    """What a query looks at is what it can find, however much else there is."""

    @pytest.fixture
    def provider(self, cloud: Cloud, admin: Caller) -> Caller:
        cloud.set("settings", {"task_seconds": 0, "busy": False})
        for _ in range(50):
            admin.deploy()
        for organization, count, status in (("acme", 30, "running"), ("beta", 20, "success")):
            task = {"serviceNamespace": "org.example.many", "operation": "x", "status": status}
            cloud.set("external-tasks", {"organization": organization, "count": count, "task": task})
        cloud.set("external-tasks", {"count": 5, "task": {"serviceNamespace": "org.example.few"}})
        return cloud.log_in("administrator@System")

    @pytest.mark.parametrize(
        ("asked", "looked_at"),
        [
            ("serviceNamespace==org.example.few", 5),
            ("serviceNamespace==ORG.example.few;status==running", 5),
            ("status==running;serviceNamespace==org.example.many", 35),
            ("(status==running,status==queued);(serviceNamespace==org.example.few,serviceNamespace==none)", 5),
            ("serviceNamespace==org.example.many;name==jobCustom;startDate=ge=2020-01-01", 50),
            ("serviceNamespace==org.example.many;startDate=ge=2040-01-01", 0),
            ("serviceNamespace==org.example.many;status==success", 50),
            ("serviceNamespace==none", 0),
        ],
    )
    def test_a_query_by_namespace(self, cloud: Cloud, provider: Caller, asked: str, looked_at: int) -> None:
        records = QueryService(cloud.director.cloud).records
        assert len(records.candidates(parse(asked))) == looked_at
        expected = [row for row in provider.query(kind="adminTask", pageSize=128)["record"] if _holds(row, asked)]
        assert provider.query(asked, kind="adminTask")["total"] == len(expected)

    def test_those_that_are_forgotten_leave_the_index(self, cloud: Cloud, provider: Caller) -> None:
        """The cloud keeps 1,000 Tasks and forgets the oldest hundred ended ones at once."""
        cloud.set("external-tasks", {"count": 990, "task": {"serviceNamespace": "x.y", "status": "aborted"}})
        engine = cloud.director.cloud.engine
        assert engine.forgotten == 100
        assert len(engine.of_namespaces(["org.example.many"])) == 30
        assert len(engine) == len(list(engine.newest(cloud.now))) == 995
        assert provider.query("serviceNamespace==org.example.many", kind="adminTask")["total"] == 30
        assert provider.json("GET", f"/tasksList/{ACME}")["task"][0]["serviceNamespace"] == "x.y"


def _holds(row: dict[str, Any], asked: str) -> bool:
    return (
        row["serviceNamespace"] in asked.lower()
        and ("status" not in asked or f"status=={row['status']}" in asked)
        and "2040" not in asked
    )
