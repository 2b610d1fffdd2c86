"""pyvcloud and Tasks: its monitor, its list, external tasks of its own and those that the bridge made.

What pyvcloud itself does wrong (its monitor's time-out, Tasks that end without an error document) is asserted as its
behaviour, so that a later version shows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from pyvcloud.vcd.client import Client, E, EntityType, TaskStatus
from pyvcloud.vcd.exceptions import (
    AccessForbiddenException,
    BadRequestException,
    TaskTimeoutException,
    VcdTaskException,
)
from pyvcloud.vcd.task import Task

from bridge.core.answers import Accepted, HttpCall
from bridge.core.coordinates import TopicPartition
from bridge.core.external.marks import Marker
from bridge.core.external_rules import ExternalRules, OrphanPolicy
from bridge.core.found import FoundOrphan
from bridge.core.requests import JsonValue
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.recovery.orphans import Orphans
from bridge.simulator.director import Director
from bridge.simulator.state.founding.inventory import well_known_uuid
from bridge.simulator.state.tasks.scripts import read_script
from bridge.vcd.gateway import HttpGateway
from tests.engine.harness import Noting
from tests.fidelity.pyvcloud.conftest import POLL_SECONDS, LogIn
from tests.support.simulator import Simulator
from tests.vcd.test_against_simulator import RealClock, config, make

ACME = well_known_uuid("org", "acme")
NAMESPACE = "com.example.pyvcloud"
VAPPS = count(1)

Start = Callable[..., Any]
"""Deploys a vApp that nobody has named before; the script of its Task."""


@pytest.fixture
def start(url: str, director: Director, tenant: Client) -> Start:
    def begin(script: dict[str, Any], client: Client = tenant) -> Any:
        director.behavior.lenient_entities = director.cloud.store.lenient = True
        vapp = f"12345678-0000-4000-8000-{next(VAPPS):012d}"
        director.cloud.scripts.set(read_script(script, 0.0), entity=vapp)
        body = E.DeployVAppParams(powerOn="true")
        return client.post_resource(f"{url}/api/vApp/vapp-{vapp}/action/deploy", body, EntityType.DEPLOY.value)

    return begin


class Enough(Exception):  # it ends what would not end
    """A callback has seen enough."""


def at_most(looks: int, seen: list[str]) -> Callable[[Any], None]:
    def look(task: Any) -> None:
        seen.append(task.get("status"))
        if len(seen) >= looks:
            raise Enough

    return look


class TestMonitor:
    def test_success_and_what_the_callback_sees(self, start: Start, tenant: Client) -> None:
        steps = [[0, "queued"], [0.03, "running", 40, "half of it"], [0.08, "postRunning", 100], [0.12, "success", 100]]
        seen: dict[str, tuple[int | None, str]] = {}

        def note(task: Any) -> None:
            progress = int(task.Progress) if hasattr(task, "Progress") else None
            seen[task.get("status")] = progress, str(task.Details) if hasattr(task, "Details") else ""

        monitor = tenant.get_task_monitor()
        task = monitor.wait_for_success(start({"steps": steps}), poll_frequency=POLL_SECONDS, callback=note)
        assert task.get("status") == "success"
        assert list(seen) == ["queued", "running", "postRunning", "success"]
        assert (seen["queued"][0], seen["running"], seen["success"][0]) == (None, (40, "half of it"), 100)
        assert task.get("operationName") == "vappDeploy"
        assert task.Owner.get("href") is not None
        assert monitor.get_status(task) == "success"

    def test_an_error_has_the_callers_side_of_it(self, start: Start, tenant: Client, provider: Client) -> None:
        error = {
            "message": "datastore ds-1 full", "majorErrorCode": 500, "minorErrorCode": "INTERNAL_SERVER_ERROR",
            "tenantError": {"message": "no space", "majorErrorCode": 500, "minorErrorCode": "INTERNAL_SERVER_ERROR"},
        }  # fmt: skip
        task = start({"preset": "error", "seconds": 0.05, "error": error})
        for client, message in ((tenant, "no space"), (provider, "datastore ds-1 full")):
            with pytest.raises(VcdTaskException) as caught:
                client.get_task_monitor().wait_for_success(task, poll_frequency=POLL_SECONDS)
            assert caught.value.error_message == "error"
            assert caught.value.vcd_error.get("message") == message
            assert caught.value.vcd_error.get("minorErrorCode") == "INTERNAL_SERVER_ERROR"
        whole = provider.get_resource(task.get("href")).Error
        assert whole.TenantError.get("message") == "no space"

    @pytest.mark.parametrize("status", [TaskStatus.CANCELED, TaskStatus.ABORTED])
    def test_other_ends_can_be_waited_for(self, start: Start, tenant: Client, status: TaskStatus) -> None:
        task = start({"preset": status.value, "seconds": 0.03})
        ended = tenant.get_task_monitor().wait_for_status(
            task, poll_frequency=POLL_SECONDS, fail_on_statuses=None, expected_target_statuses=[status]
        )
        assert ended.get("endTime") is not None

    def test_a_cancel(self, url: str, start: Start, tenant: Client) -> None:
        script = {"preset": "never-ends", "cancel_seconds": 0.02, "cancel_status": "canceled"}
        task = start(script)
        (cancel,) = [link.get("href") for link in task.Link if link.get("rel") == "task:cancel"]
        tenant.post_resource(cancel, None, None)
        assert tenant.get_resource(task.get("href")).get("cancelRequested") == "true"
        tenant.get_task_monitor().wait_for_status(
            task, poll_frequency=POLL_SECONDS, expected_target_statuses=[TaskStatus.CANCELED]
        )

    def test_a_blocking_task_is_seen_to_wait(self, start: Start, tenant: Client) -> None:
        task = start({"preset": "blocking"})
        waiting = tenant.get_task_monitor().wait_for_status(
            task, poll_frequency=POLL_SECONDS, expected_target_statuses=[TaskStatus.PRE_RUNNING]
        )
        assert waiting.Details.text

    def test_a_task_of_others_is_forbidden(self, log_in: LogIn, start: Start) -> None:
        task = start({"preset": "success"})
        with pytest.raises(AccessForbiddenException, match=task.get("id")[-36:]):
            log_in("admin@beta").get_task_monitor().get_status(task)


class TestItsOwnDefects:
    def test_it_fails_on_an_end_without_an_error(self, start: Start, tenant: Client) -> None:
        task = start({"preset": "canceled"})
        with pytest.raises(AttributeError, match="Error"):
            tenant.get_task_monitor().wait_for_status(task, poll_frequency=POLL_SECONDS)

    def test_it_waits_for_the_success_of_an_aborted_task_for_ever(self, start: Start, tenant: Client) -> None:
        seen: list[str] = []
        with pytest.raises(Enough):
            tenant.get_task_monitor().wait_for_success(
                start({"preset": "aborted"}), timeout=0, poll_frequency=POLL_SECONDS, callback=at_most(4, seen)
            )
        assert seen == ["aborted"] * 4

    def test_its_time_out_never_comes(self, start: Start, tenant: Client) -> None:
        """It counts backward: a time-out below zero is the only one that comes, and at once."""
        seen: list[str] = []
        task, started = start({"preset": "never-ends"}), time.monotonic()
        monitor = tenant.get_task_monitor()
        with pytest.raises(Enough):
            monitor.wait_for_success(task, timeout=0.02, poll_frequency=POLL_SECONDS, callback=at_most(5, seen))
        assert time.monotonic() - started > 0.04
        with pytest.raises(TaskTimeoutException):
            monitor.wait_for_success(task, timeout=-10, poll_frequency=POLL_SECONDS)

    def test_it_takes_no_single_status(self, start: Start, tenant: Client) -> None:
        with pytest.raises(UnboundLocalError):
            tenant.get_task_monitor().wait_for_status(
                start({"preset": "success"}), poll_frequency=POLL_SECONDS, fail_on_statuses=TaskStatus.ERROR
            )


class TestList:
    def test_by_status_and_by_time(self, start: Start, tenant: Client, provider: Client) -> None:
        running = [start({"steps": [[0, "running", 10]]}).get("id") for _ in range(3)]
        queued = start({"preset": "stays-queued"}).get("id")
        failed = start({"preset": "error"}).get("id")

        def listed(client: Client, *statuses: str, newer_first: bool = True) -> list[str]:
            given = {"filter_status_list": list(statuses)} if statuses else {}
            rows = Task(client).list_tasks(newer_first=newer_first, **given)
            return [row.get("id") for row in rows if row.get("id") in {*running, queued, failed}]

        for client in (tenant, provider):
            assert listed(client) == [queued, *running[::-1]], "what has not ended, the newest first"
            assert listed(client, "running", newer_first=False) == running
            assert listed(client, "error") == [failed]
            assert listed(client, "error", "queued") == [failed, queued]

    def test_more_than_a_page(self, start: Start, tenant: Client) -> None:
        made = {start({"preset": "error"}).get("id") for _ in range(30)}
        rows = list(Task(tenant).list_tasks(["error"]))
        assert made <= {row.get("id") for row in rows}
        assert len(rows) == len({row.get("id") for row in rows})
        row = rows[0]
        assert (row.tag.rpartition("}")[2], row.get("name"), row.get("orgName")) == ("TaskRecord", "vappDeploy", "acme")


def update(client: Client, url: str, status: str, **changes: Any) -> Any:
    """pyvcloud's Task.update, which posts where no ``task_href`` is given."""
    given: dict[str, Any] = {
        "namespace": NAMESPACE, "operation": "Backing up", "operation_name": "backup", "details": "step 1",
        "progress": 10, "owner_href": f"{url}/api/org/{ACME}", "owner_name": "acme",
        "owner_type": EntityType.ORG.value, "user_href": f"{url}/api/admin/user/{well_known_uuid('user', 'acme')}",
        "user_name": "admin", "org_href": f"{url}/api/org/{ACME}", **changes,
    }  # fmt: skip
    return Task(client).update(status, **given)


class TestExternalTasks:
    def test_from_its_start_to_its_end(self, url: str, provider: Client, tenant: Client) -> None:
        task = update(provider, url, "running")
        assert (task.get("status"), task.get("serviceNamespace"), task.get("name")) == ("running", NAMESPACE, "task")
        assert (int(task.Progress), str(task.Details), task.Owner.get("name")) == (10, "step 1", "acme")
        assert task.get("startTime") is not None
        href = task.get("href")
        changed = update(
            provider, url, "running", task_href=href, progress=70, details="step 2", operation_name="backup2"
        )
        assert (int(changed.Progress), str(changed.Details), changed.get("operationName")) == (70, "step 2", "backup2")
        assert tenant.get_resource(href).get("operation") == "Backing up", "members of the organization see it"
        assert [row.get("id") for row in Task(tenant).list_tasks(["running"])].count(task.get("id")) == 1
        update(provider, url, "success", task_href=href, progress=100, operation="Backed up")
        ended = tenant.get_task_monitor().wait_for_success(task, poll_frequency=POLL_SECONDS)
        assert (ended.get("operation"), ended.get("endTime") is not None) == ("Backed up", True)
        with pytest.raises(BadRequestException, match="can not be updated"):
            update(provider, url, "running", task_href=href)

    def test_an_error_with_its_stack_trace(self, url: str, provider: Client, tenant: Client) -> None:
        task = update(provider, url, "running", progress=None)
        assert not hasattr(task, "Progress")
        given = {"error_message": "tape is full", "stack_trace": "at Tape.write"}
        failed = update(provider, url, "error", task_href=task.get("href"), **given)
        assert (failed.Error.get("message"), failed.Error.get("stackTrace")) == ("tape is full", "at Tape.write")
        assert failed.Error.get("majorErrorCode") == "500"
        with pytest.raises(VcdTaskException) as caught:
            tenant.get_task_monitor().wait_for_success(task, poll_frequency=POLL_SECONDS)
        assert caught.value.vcd_error.get("message") == "tape is full"
        assert caught.value.vcd_error.get("stackTrace") is None, "not for tenants"

    def test_only_system_administrators(self, url: str, provider: Client, tenant: Client) -> None:
        with pytest.raises(AccessForbiddenException):
            update(tenant, url, "running")
        task = update(provider, url, "running")
        with pytest.raises(AccessForbiddenException):
            update(tenant, url, "success", task_href=task.get("href"))

    @pytest.mark.parametrize("namespace", ["com.vmware.vcloud", "com.vmware.vcloud.mine", "n" * 129])
    def test_namespaces_that_are_refused(self, url: str, provider: Client, namespace: str) -> None:
        with pytest.raises(BadRequestException, match="serviceNamespace"):
            update(provider, url, "running", namespace=namespace)

    def test_an_owner_that_is_made_up_is_refused(self, url: str, provider: Client) -> None:
        with pytest.raises(BadRequestException, match="owner"):
            update(provider, url, "running", owner_href="urn:cse:cluster:1")


class _Swift(RealClock):
    async def sleep(self, seconds: float) -> None:
        """Nothing here is worth waiting for."""


class TestBesideTheBridge:
    MARKER = Marker("g", TopicPartition("tickets", 0))

    async def test_it_sees_what_the_bridge_made_and_the_bridge_takes_none_of_its_own(
        self, url: str, provider: Client, tenant: Client
    ) -> None:
        gateway = HttpGateway(config(Simulator(url)), RealClock())
        await gateway.open()
        try:
            ours = await self._made_by_the_bridge(gateway, url)
            theirs = update(provider, url, "running", operation="Backing up CHG1 (g/tickets-0/CHG1)")
            lists = {row.get("id"): row for row in Task(tenant).list_tasks(["running"])}
            assert {ours, theirs.get("id")} <= set(lists)
            assert lists[ours].get("operationFull") == self.MARKER.marked("Change CHG1", "CHG1")
            read = tenant.get_resource(f"{url}/api/task/{ours[-36:]}")
            assert (read.get("serviceNamespace"), int(read.Progress), str(read.Details)) == (NAMESPACE, 5, "begun")
            assert (read.Owner.get("type"), read.User.get("name")) == (EntityType.ORG.value, "administrator")
            await self._judge(gateway, ours)
        finally:
            await gateway.close()

    async def _made_by_the_bridge(self, gateway: HttpGateway, url: str) -> str:
        body: dict[str, JsonValue] = {
            "name": "task", "status": "running", "serviceNamespace": NAMESPACE, "operationName": "change",
            "operation": self.MARKER.marked("Change CHG1", "CHG1"), "progress": 5, "details": "begun",
            "owner": {"href": f"{url}/api/org/{ACME}"},
            "user": {"href": f"{url}/api/admin/user/{well_known_uuid('user', 'System')}"},
        }  # fmt: skip
        answer = await make(
            gateway,
            HttpCall(
                operation="externalTask", method="POST", path=f"/tasksList/{ACME}", query={}, body=body,
                media_type="application/vnd.vmware.vcloud.task+json", call_id=f"vb-{1:032x}-1", organization=None,
            ),
        )  # fmt: skip
        assert isinstance(answer, Accepted), answer
        return answer.task.id

    async def _judge(self, gateway: HttpGateway, ours: str) -> None:
        """The bridge's own judging of Tasks that nobody has, adoption and all."""
        noted, failures = Noting(), list[BaseException]()
        rules = ExternalRules(
            group_id="g",
            default_namespace=NAMESPACE,
            namespaces={NAMESPACE: timedelta(days=1)},
            orphans=OrphanPolicy.ADOPT,
        )
        orphans = Orphans(_Swift(), gateway, rules, noted, lambda: None, failures.append)
        owned = OwnedPartition(TopicPartition("tickets", 0), 1, "topic", 0, 0)
        orphans.begin(owned)
        assert orphans._judging is not None
        await orphans._judging
        assert [(one.external_key, one.task.id) for one in owned.found if isinstance(one, FoundOrphan)] == [
            ("CHG1", ours)
        ], "none but its own"
        assert failures == []
        (strangers,) = [fact.values[1] for fact in noted.facts if fact.name == "strangers_seen"]
        assert strangers >= 1
