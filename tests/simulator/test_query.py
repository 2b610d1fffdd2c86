"""The query service: filters, formats, pages, sorting, snapshots, what each kind of session sees."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from bridge.simulator.calls.queries import paging
from bridge.simulator.clock import parse_time, timestamp
from tests.simulator.driver import ACME, URL, VAPP, VAPP_2, Caller, Cloud, error_code


def finish_many(cloud: Cloud, caller: Caller, count: int) -> list[str]:
    """Tasks that ended one after the other, a second apart."""
    cloud.set("settings", {"task_seconds": 0})
    tasks = []
    for _ in range(count):
        tasks.append(caller.deploy())
        cloud.wait(1)
    return tasks


def test_a_task_record_names_things_its_own_way(cloud: Cloud, admin: Caller) -> None:
    task = admin.deploy()
    document = admin.query()
    (record,) = document["record"]
    assert (document["name"], document["page"], document["pageSize"], document["total"]) == ("task", 1, 25, 1)
    assert record["_type"] == "QueryResultTaskRecordType"
    assert record["name"] == "vappDeploy"
    assert record["operationFull"] == admin.task(task)["operation"]
    assert record["object"] == f"{URL}/api/vApp/{VAPP}"
    assert record["objectType"] == "vapp"
    assert record["ownerName"] == "admin"
    assert (record["href"], record["id"]) == (f"{URL}/api/task/{task}", None)
    assert (record["startDate"], record["endDate"]) == (timestamp(cloud.now), None)
    assert not {"operationKey", "error", "expiryTime", "cancelRequested"} & set(record)


def test_idrecords_have_ids_and_references_are_references(admin: Caller) -> None:
    task = admin.deploy()
    (record,) = admin.query(format="idrecords")["record"]
    assert (record["href"], record["id"]) == (None, f"urn:vcloud:task:{task}")
    (reference,) = admin.query(format="references")["reference"]
    assert reference["href"].endswith(task)


def test_each_field_filters(cloud: Cloud, admin: Caller) -> None:
    task = admin.deploy()
    cloud.wait(5)
    started = quote(timestamp(cloud.now - 5), safe="")
    for matching in (
        "name==vappDeploy", "name==vapp*", "status==running", f"id==urn:vcloud:task:{task}",
        f"href==https://other.example/api/task/{task}", f"object=={URL}/api/vApp/{VAPP}", "objectType==vapp",
        "objectName==vapp-1", "ownerName==ADMIN", "orgName==acme", f"org=={URL}/api/org/{ACME}",
        "serviceNamespace==com.vmware.vcloud", "progress=ge=20", f"startDate=ge={timestamp(cloud.now - 5)}",
        "operationFull==Executing*", "name!=other", "(status==queued,status==running);name==vappDeploy",
    ):  # fmt: skip
        assert admin.query(matching)["total"] == 1, matching
    for other in (
        "name==vappdeployx", "status==success", "id==urn:vcloud:task:0", f"object=={URL}/api/vApp/{VAPP_2}",
        f"startDate=gt={timestamp(cloud.now)}", "endDate=ge=2001-01-01", "ownerName==administrator",
    ):  # fmt: skip
        assert admin.query(other)["total"] == 0, other
    assert admin.json("GET", f"/query?type=task&filter=startDate%3Dge%3D{started}")["total"] == 1


def test_active_tasks_and_those_that_ended_lately_in_one_filter(cloud: Cloud, admin: Caller) -> None:
    """Whether an index answers it or, in the other order, all Tasks are looked at."""
    ended = finish_many(cloud, admin, 5)
    cloud.set("settings", {"task_seconds": 10})
    active = admin.deploy()
    cloud.wait(5)
    since = f"endDate=ge={timestamp(cloud.now - 7)}"
    for states in (f"status==queued,status==running,{since}", f"{since},status==running"):
        found = admin.json("GET", f"/query?type=task&sortAsc=startDate&filter=({quote(states, safe='=,')})")
        assert [record["href"][-36:] for record in found["record"]] == [*ended[-2:], active], states


def test_an_unescaped_plus_is_a_blank_and_no_date(admin: Caller) -> None:
    filter_text = "/query?type=task&filter=startDate=ge=2026-01-01T00:00:00.000"
    assert admin.call("GET", f"{filter_text}+0000").status == 400
    assert admin.call("GET", f"{filter_text}%2B0000").status == 200


def test_filters_of_old_clients_without_parentheses(admin: Caller) -> None:
    admin.deploy()
    document = admin.json("GET", "/query?type=task&filter=status==queued,status==running;name==nothing")
    assert document["total"] == 1


def test_values_are_encoded_twice_before_api_35(cloud: Cloud) -> None:
    cloud.set("settings", {"versions": ["34.0", "39.0"]})
    admin = cloud.log_in()
    admin.deploy()
    once = quote(f"objectName=={quote('vapp-1;(x)', safe='')},objectName==vapp%2D1", safe="")
    path = f"/query?type=task&filterEncoded=true&filter={once}"
    assert json.loads(admin.call("GET", path, accept="application/*+json;version=34.0").body)["total"] == 1
    assert json.loads(admin.call("GET", path).body)["total"] == 0


def test_pages_sort_and_link_to_each_other(cloud: Cloud, admin: Caller) -> None:
    tasks = finish_many(cloud, admin, 7)
    found, pages = [], 0
    page = admin.query(sortAsc="endDate", pageSize=3)
    while True:
        pages += 1
        found += [record["href"][-36:] for record in page["record"]]
        following = [link for link in page["link"] if link["rel"] == "nextPage"]
        if not following:
            break
        page = admin.json("GET", following[0]["href"].removeprefix(f"{URL}/api"))
    assert pages == 3
    assert found == tasks
    assert [record["href"][-36:] for record in admin.query(sortDesc="endDate")["record"]] == tasks[::-1]
    assert admin.query(pageSize=3, page=9)["record"] == []


def test_records_below_the_offset_are_left_out(cloud: Cloud, admin: Caller) -> None:
    tasks = finish_many(cloud, admin, 7)
    pages = [admin.query(sortAsc="endDate", pageSize=2, offset=3, page=page) for page in (1, 2, 3)]
    assert [record["href"][-36:] for page in pages for record in page["record"]] == tasks[3:]
    links = {link["rel"]: link["href"] for link in pages[0]["link"]}
    assert "page=2&" in links["nextPage"] + "&"
    assert links["nextPage"] == links["lastPage"], "4 records are two pages"
    assert "offset=3" in links["nextPage"]
    assert admin.query(offset=99)["record"] == []


def test_without_a_sort_rows_come_by_id_not_by_time(cloud: Cloud, admin: Caller) -> None:
    tasks = finish_many(cloud, admin, 12)
    found = [record["href"][-36:] for record in admin.query()["record"]]
    assert found == sorted(tasks)
    assert found != tasks


def test_the_pages_of_one_sequence_come_from_one_snapshot(cloud: Cloud, admin: Caller) -> None:
    finish_many(cloud, admin, 4)
    first = admin.query(sortDesc="startDate", pageSize=2)
    finish_many(cloud, admin, 1)
    second = admin.query(sortDesc="startDate", pageSize=2, page=2)
    assert (first["total"], second["total"]) == (4, 4)
    seen = {record["href"] for record in first["record"] + second["record"]}
    assert len(seen) == 4
    cloud.set("settings", {"consistent_pages": False})
    moved = admin.query(sortDesc="startDate", pageSize=2, page=2)
    assert moved["total"] == 5
    assert moved["record"][0]["href"] == first["record"][1]["href"]


def test_snapshots_are_forgotten_by_age_by_number_and_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MAXIMUM_SNAPSHOT_ROWS", 100)
    snapshots: paging.Snapshots[int] = paging.Snapshots()

    def kept(now: float) -> list[int]:
        return [number for number in range(100) if snapshots.kept((number,), now) is not None]

    for number in range(20):
        snapshots.keep((number,), 0.0, [1, 2])
    assert kept(0.0) == list(range(4, 20))
    snapshots.keep((20,), 1.0, [0] * 80)
    assert kept(1.0) == list(range(10, 21)), "20 rows and 80 are as many as may be"
    snapshots.keep((20,), 1.0, [0] * 90)
    assert kept(1.0) == list(range(15, 21)), "its own rows from before do not count"
    snapshots.keep((21,), 30.5, [0])
    assert kept(30.5) == [20, 21]
    snapshots.keep((22,), 99.0, [0] * 1000)
    assert kept(99.0) == [22], "the last one is always kept, whatever its size"


@pytest.mark.parametrize(
    "parameters",
    [
        "pageSize=129",
        "pageSize=0",
        "page=0",
        "offset=-1",
        "page=x",
        "format=xml",
        "sortAsc=color",
        "filter=color==red",
        "filter=name=",
    ],
)
def test_bad_parameters_are_400(admin: Caller, parameters: str) -> None:
    if "filter=name=" in parameters:
        parameters = "filter=name%3D"
    answer = admin.call("GET", f"/query?type=task&{parameters}")
    assert (answer.status, error_code(answer)) == (400, "BAD_REQUEST")


def test_fields_narrow_the_records(admin: Caller) -> None:
    admin.deploy()
    (record,) = admin.query(fields="name,status")["record"]
    assert all(record[name] for name in ("name", "status", "href"))
    assert record["operationFull"] is None


def test_windows_by_end_date_find_each_end_once(cloud: Cloud, admin: Caller) -> None:
    tasks = finish_many(cloud, admin, 5)
    middle = admin.task(tasks[2])["endTime"]
    found = admin.query(f"endDate=ge={middle}", sortAsc="endDate")["record"]
    assert [record["href"][-36:] for record in found] == tasks[2:]


def test_tenants_see_their_organization_and_providers_all(cloud: Cloud, admin: Caller, provider: Caller) -> None:
    task = admin.deploy()
    assert cloud.log_in("admin@beta").query()["total"] == 0
    assert admin.call("GET", "/query?type=adminTask").status == 403
    assert provider.query()["total"] == 0, "type=task is about the session's own organization"
    (record,) = provider.query(kind="adminTask")["record"]
    assert record["href"].endswith(task)
    assert record["cellName"]
    assert "message" not in record
    context: Any = {"x-vmware-vcloud-tenant-context": ACME}
    assert provider.json("GET", "/query?type=task", **context)["total"] == 1


def test_a_lagging_query_shows_the_past(cloud: Cloud, admin: Caller) -> None:
    cloud.set("settings", {"query_lag_seconds": 3})
    task = admin.deploy()
    cloud.wait(2)
    assert admin.query()["total"] == 0
    cloud.wait(1)
    assert admin.query("status==queued")["total"] == 1
    cloud.wait(7)
    assert admin.task(task)["status"] == "success"
    (record,) = admin.query()["record"]
    assert (record["status"], record["endDate"]) == ("running", None)
    cloud.wait(3)
    assert admin.query("status==success")["total"] == 1


def test_a_lagging_query_does_not_know_a_cancel_yet(cloud: Cloud, admin: Caller) -> None:
    cloud.set("settings", {"query_lag_seconds": 3})
    task = admin.deploy()
    cloud.wait(5)
    admin.call("POST", f"/task/{task}/action/cancel")
    cloud.wait(3)
    assert admin.task(task)["status"] == "aborted"
    (record,) = admin.query()["record"]
    assert (record["status"], record["endDate"]) == ("running", None)
    cloud.wait(1)
    (record,) = admin.query()["record"]
    assert record["status"] == "aborted"
    assert record["endDate"] is not None


def test_entities_can_be_queried_by_name(admin: Caller, provider: Caller) -> None:
    (record,) = admin.query("name==vapp-1", kind="vApp")["record"]
    assert record["href"] == f"{URL}/api/vApp/{VAPP}"
    assert record["_type"] == "QueryResultVAppRecordType"
    assert admin.query(f"container=={URL}/api/vApp/{VAPP}", kind="vm")["total"] == 1
    assert admin.query(kind="disk", format="references")["reference"][0]["name"] == "data-1"
    assert provider.query("name==vapp-1", kind="adminVApp")["total"] == 2
    assert admin.call("GET", "/query?type=adminVApp").status == 403
    assert admin.call("GET", "/query?type=unicorn").status == 400


def test_some_ends_are_shown_late(cloud: Cloud, admin: Caller) -> None:
    """As rows that are committed after others with a later endDate; the Task itself has ended."""
    cloud.set("settings", {"late_rows": 0.5, "late_row_seconds": 4})
    tasks = finish_many(cloud, admin, 10)
    since = f"endDate=ge={timestamp(cloud.now - 3)}"
    recent = [record["href"][-36:] for record in admin.query(since)["record"]]
    assert 0 < len(recent) < 3
    assert {admin.task(task)["status"] for task in tasks} == {"success"}
    assert admin.query("status==running")["total"] == 3 - len(recent), "the others are shown as they were"
    cloud.wait(3)
    assert [record["href"][-36:] for record in admin.query(since)["record"]] == tasks[-3:]


@pytest.mark.parametrize("apart", [30.0, -30.0])
def test_cells_write_ends_by_clocks_of_their_own(cloud: Cloud, admin: Caller, apart: float) -> None:
    cloud.set("settings", {"cells_apart_seconds": apart})
    began = cloud.now
    tasks = finish_many(cloud, admin, 4)
    ends = {
        task: round((parse_time(admin.task(task)["endTime"]) or 0.0) - began - number)
        for number, task in enumerate(tasks)
    }
    assert sorted(ends.values()) == sorted([0, 0, apart, apart])
    since = timestamp(began + 15)
    for states in (f"endDate=ge={since}", f"status==running,endDate=ge={since}"):
        shown = {record["href"][-36:] for record in admin.query(f"({states})")["record"]}
        assert shown == {task for task, end in ends.items() if end > 15}, states
