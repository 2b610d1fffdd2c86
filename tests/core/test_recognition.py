"""Which Tasks could be the trace of a call whose answer was lost; where to start reading; delays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.catalogue.load import load
from bridge.core.answers import TaskRecord
from bridge.core.coordinates import Birth
from bridge.core.cursor import starting_offset
from bridge.core.lifecycle import FORMAT_VERSION, Cursor, Doubt, Lifecycle, Phase
from bridge.core.recognition import (
    LATEST_START,
    Trace,
    could_be,
    may_have_made,
    narrowed,
    record_could_be,
    same_entity,
    trace_of,
)
from bridge.core.rules import Backoff
from bridge.core.task import Task, empty_document
from bridge.errors import StoreConflict

UUID = "00000000-0000-4000-8000-00000000000a"


@pytest.mark.parametrize(
    ("reference", "entity", "same"),
    [
        (f"https://vcd.example/api/vApp/vm-{UUID}", f"/vApp/vm-{UUID}", True),
        (f"https://elsewhere/api/admin/vdc/{UUID}", f"/vdc/{UUID}", True),
        (f"urn:vcloud:vm:{UUID}", f"/vApp/vm-{UUID}", True),
        (f"https://vcd.example/api/vApp/vm-{UUID[:-1]}b", f"/vApp/vm-{UUID}", False),
        ("", f"/vApp/vm-{UUID}", False),
        ("https://vcd.example/api/site", "/site", False),
        ("https://vcd.example/api/admin/extension/vmGroup/name/group", "/admin/extension/vmGroup/name/group", False),
        (f"https://vcd.example/api/vApp/vm-{UUID}", f"/admin/extension/vmGroup/name/a{UUID}", False),
    ],
)
def test_an_entity_is_the_same_in_every_view(reference: str, entity: str, same: bool) -> None:
    assert same_entity(reference, entity) is same


# --- which Task is ours ----------------------------------------------------------------------------------------------


def trace(**changes: Any) -> Trace:
    fields: dict[str, Any] = {
        "entity": None,
        "created_name": None,
        "user_name": "bridge",
        "since": datetime(2026, 1, 1, tzinfo=UTC),
        "operation_name": None,
        "foreign_names": (),
        "operation_key": "vb-1",
    }
    return Trace(**{**fields, **changes})


def task(uuid: str, **fields: Any) -> Task:
    document = empty_document()
    document.update({"id": f"urn:vcloud:task:{uuid}", **fields})  # type: ignore[typeddict-item]
    return Task(document)


OWNER = {"href": None, "id": None, "type": None, "name": "data"}


def test_our_operation_key_beats_all_that_only_look_alike() -> None:
    ours, alike = task("1", operationKey="vb-1"), task("2", owner=OWNER)
    assert narrowed([alike, ours], trace(created_name="data"), ()) == (ours,)
    assert narrowed([alike], trace(created_name="data"), ()) == (alike,)
    assert narrowed([ours], trace(created_name="data"), ("urn:vcloud:task:1",)) == ()


def test_the_key_of_another_request_of_a_bridge_is_not_ours_and_a_foreign_key_says_nothing() -> None:
    assert not could_be(task("1", owner=OWNER, operationKey="vb-2"), trace(created_name="data"))
    assert could_be(task("1", owner=OWNER, operationKey="ticket-7"), trace(created_name="data"))


@pytest.mark.parametrize(
    ("namespace", "ours"),
    [("com.vmware.vcloud", True), ("COM.VMware.vCloud.x", True), (None, True), ("", True), ("com.example", False)],
)
def test_an_external_task_of_the_same_entity_is_no_trace_of_a_call(namespace: str | None, ours: bool) -> None:
    owner = {"href": f"https://vcd/api/vApp/vapp-{UUID}", "id": None, "type": None, "name": None}
    made = task("1", owner=owner, serviceNamespace=namespace)
    wanted = trace(entity=f"/vApp/vapp-{UUID}")
    assert could_be(made, wanted) is ours
    assert record_could_be(row(service_namespace=namespace), wanted) is ours


def row(**fields: Any) -> TaskRecord:
    values: dict[str, Any] = dict.fromkeys(
        (
            "progress",
            "operation_name",
            "operation",
            "object_href",
            "object_name",
            "owner_name",
            "start_date",
            "end_date",
        )
    )
    return TaskRecord(**{"id": "1", "status": "running", **values, **fields})


def test_without_entity_name_or_key_no_task_is_taken_for_ours() -> None:
    assert not could_be(task("1", owner=OWNER), trace())
    assert not could_be(task("1"), trace())
    assert could_be(task("1", operationKey="vb-1"), trace())


def lifecycle(**changes: Any) -> Lifecycle:
    fields: dict[str, Any] = {
        "birth": Birth("t", 0, 1), "phase": Phase.UNSURE, "request_id": "r", "key": None,
        "received_at": datetime(2026, 1, 1, tzinfo=UTC), "entity": f"/vApp/vm-{UUID}", "created_name": None,
    }  # fmt: skip
    return Lifecycle(**{**fields, **changes})


def trace_for(name: str, **changes: Any) -> Trace:
    return trace_of(lifecycle(operation=name, **changes), load()[name], "bridge", ["vappDeploy"], timedelta())


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("addVmsToNamedVmGroup", {"entity": "/admin/extension/vmGroup/name/group"}),
        ("regenerateSiteAssociationKeyPair", {"entity": "/site"}),
        ("migrateTenant", {"entity": "/admin/extension"}),
        ("createStandaloneVm", {"entity": None}),
        ("updateTask", {"entity": f"/task/{UUID}"}),
        ("getTask", {"entity": None}),
    ],
)
def test_of_some_operations_no_task_is_taken_for_ours(name: str, changes: dict[str, Any]) -> None:
    """Whatever the Task's owner is called or left out: nothing that the request names is its owner."""
    told = trace_for(name, **changes)
    assert not told.is_recognisable
    href = f"https://vcd/api{changes['entity']}"
    for owner in (None, OWNER, {**OWNER, "href": href}, {**OWNER, "href": "https://vcd/api/site"}):
        assert not could_be(task("1", owner=owner), told)


def test_a_new_disk_is_told_by_its_name_or_by_our_key() -> None:
    told = trace_for("createDisk", entity=None, created_name="data")
    assert told.is_recognisable
    assert could_be(task("1", owner=OWNER), told)
    assert not could_be(task("1", owner={**OWNER, "name": "other"}), told)
    assert could_be(task("1", owner={**OWNER, "name": "other"}, operationKey=told.operation_key), told)


def test_an_operation_that_carries_no_key_is_not_told_by_one() -> None:
    assert trace_for("deployVApp").operation_key is None
    assert trace_for("deployVApp").entity == f"/vApp/vm-{UUID}"


def test_a_dropped_operation_is_still_told_by_all_that_is_known() -> None:
    told = trace_of(lifecycle(operation="gone", created_name="n"), None, "bridge", [], timedelta())
    assert (told.entity, told.created_name) == (f"/vApp/vm-{UUID}", "n")


# --- where to start reading -------------------------------------------------------------------------------------------


def _start(cursor: Cursor | None, *, committed: int | None, state: bool = False, low: int = 0, high: int = 100) -> int:
    return starting_offset(
        "t/0", cursor=cursor, has_state=state, committed=committed, low=low, high=high, topic_id="id"
    )


def test_a_first_start_reads_from_the_beginning() -> None:
    assert _start(None, committed=None, low=7) == 7


def test_lost_or_rewound_offsets_are_overruled_by_the_cursor() -> None:
    cursor = Cursor(topic_id="id", next_offset=50)
    assert _start(cursor, committed=None) == 50
    assert _start(cursor, committed=3) == 50


def test_what_retention_removed_is_not_waited_for() -> None:
    assert _start(Cursor(topic_id="id", next_offset=5), committed=5, low=9) == 9


@pytest.mark.parametrize(
    ("cursor", "committed", "state", "says"),
    [
        (None, 12, False, "no cursor"),
        (None, None, True, "no cursor"),
        (Cursor(topic_id="other", next_offset=5), 5, False, "made again"),
        (Cursor(topic_id="id", next_offset=101), 101, False, "ahead of the topic"),
        (Cursor(topic_id="id", next_offset=5, format_version=FORMAT_VERSION + 1), 5, False, "format"),
    ],
)
def test_contradictions_stop_the_partition(
    cursor: Cursor | None,
    committed: int | None,
    state: bool,
    says: str,
) -> None:
    with pytest.raises(StoreConflict, match=says) as stopped:
        _start(cursor, committed=committed, state=state)
    assert stopped.value.hint


# --- delays -----------------------------------------------------------------------------------------------------------


def test_backoff_has_full_jitter_a_cap_and_a_floor() -> None:
    backoff = Backoff(base=timedelta(seconds=1), cap=timedelta(seconds=10))
    assert [backoff.delay(n, 0.0).total_seconds() for n in range(6)] == [1, 2, 4, 8, 10, 10]
    assert backoff.delay(3, 0.5) == timedelta(seconds=4)
    assert backoff.delay(0, 0.999999) == backoff.floor
    assert backoff.delay(10_000, 0.0) == timedelta(seconds=10)
    assert datetime.now(UTC) + backoff.delay(3, 0.1) > datetime.now(UTC)


_CALLED = datetime(2026, 1, 1, tzinfo=UTC)
_OF_A_VM = {"entity": f"/vApp/vm-{UUID}"}


@pytest.mark.parametrize(
    ("doubt", "minutes_later", "may"),
    [
        (_OF_A_VM, 1, True),
        (_OF_A_VM, 60, False),
        ({**_OF_A_VM, "is_open": True}, 60, True),
        ({"entity": f"/vApp/vm-{UUID[:-1]}b"}, 1, False),
        ({"created_name": "web01"}, 1, False),
    ],
    ids=["ended", "ended long ago", "open", "of another entity", "of something new"],
)
def test_whose_call_may_have_made_what_a_look_finds(doubt: dict[str, Any], minutes_later: int, may: bool) -> None:
    left = Doubt(**{"birth": Birth("t", 0, 0), "entity": None, "created_name": None, "called_at": _CALLED, **doubt})
    looking = Lifecycle(
        birth=Birth("t", 0, 1), phase=Phase.UNSURE, request_id="B", key=None, received_at=_CALLED, unsure_code="lost",
        intent_at=_CALLED + timedelta(minutes=minutes_later), entity=f"/vApp/vm-{UUID}",
    )  # fmt: skip
    assert timedelta(minutes=1) < LATEST_START < timedelta(minutes=60)
    assert may_have_made(left, looking) is may


@pytest.mark.parametrize(
    ("signs", "counts"), [({}, False), ({"entity": f"/vApp/vm-{UUID}"}, True), ({"created_name": "web01"}, True)]
)
def test_a_task_that_could_be_taken_for_nobody_elses_is_no_doubt_for_others(
    signs: dict[str, Any], counts: bool
) -> None:
    unsure = Lifecycle(
        birth=Birth("t", 0, 0), phase=Phase.UNSURE, request_id="A", key=None, received_at=_CALLED, unsure_code="lost",
        **signs,
    )  # fmt: skip
    assert (unsure.doubt is not None) is counts
