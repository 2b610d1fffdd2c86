"""A Cloud Director at its least kind: queries show the past and shift between pages, relatives hold each other, limits
refuse, busy texts differ, answers get lost, cancels do nothing. The bridge tells every end, once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.bridge import Site, running_site
from tests.support.kafka import KafkaNode
from tests.support.simulator import Simulator, acme_vapp, acme_vm

Document = dict[str, Any]

CROWD = 180
"""Tasks followed at once: more than one page of the task query, which has at most 128 rows."""
TASK_SECONDS = 2.0
UNKIND = {
    "query_lag_seconds": 1.0,
    "consistent_pages": False,
    "recent_task_seconds": 0.2,
    "queued_has_start": False,
    "empty_owner_href_every": 3,
}
QUICK = {"max_calls_per_second": 1000, "max_concurrent_calls": 64, "max_concurrent_reads": 32}
OLD_BUSY = "is busy completing an operation."
PLAIN_BUSY = "The entity vapp-9 is busy, cannot proceed with the operation."
"""A third way in which VCD says it (go-vcloud-director, orgvdcnetwork.go). Neither of the two names the Task."""


@pytest.fixture
def site(kafka: KafkaNode, tmp_path: Path) -> Iterator[Site]:
    options = {"task_seconds": TASK_SECONDS, "settings": UNKIND}
    retry = {"busy_max_delay_seconds": 1}
    with running_site(kafka.bootstrap, tmp_path, simulator=options, vcd=QUICK, retry=retry) as running:
        yield running


def _request(request_id: str, operation: str, entity: str) -> Document:
    body = {"body": {"name": request_id}} if operation == "createSnapshot" else {}
    return {"request_id": request_id, "operation": operation, "parameters": {"id": entity}, **body}


def _crowd() -> list[Document]:
    """Each for an entity of its own; half of them of the kind that is never called twice."""
    operations = ("deployVApp", "createSnapshot")
    return [
        _request(f"crowd-{number}", operations[number % 2], f"vapp-00000000-0000-4000-8000-{number:012d}")
        for number in range(CROWD)
    ]


def _relatives(number: int) -> list[Document]:
    """Two lanes for the bridge, one lock for VCD: a vApp and the VM inside it."""
    return [
        _request(f"vapp-{number}", "deployVApp", acme_vapp(number)),
        _request(f"vm-{number}", "createSnapshot", acme_vm(number)),
    ]


def _spoil(simulator: Simulator) -> None:
    """Refusals that mean "later", and answers that are lost after the call was carried out; in the crowd alone."""
    crowd = {"path": "/vApp/vapp-00000000-"}
    refused = {"status": 400, "operation": "deployVApp", "times": 2, **crowd}
    simulator.fault(**refused, skip=10, minor_code="OPERATION_LIMITS_EXCEEDED", message="Too many operations.")
    simulator.fault(**refused, skip=20, minor_code="BUSY_ENTITY", message=PLAIN_BUSY)
    simulator.fault(do="drop", effect=True, operation="createSnapshot", skip=10, times=3, **crowd)


def _accepted(events: Sequence[Document]) -> set[str]:
    return {event["request_id"] for event in events if event["change"] == "accepted"}


def _waits(events: Sequence[Document], code: str) -> dict[str, str]:
    """What those were told who had to wait for that, by request."""
    waiting = [event for event in events if event["change"] == "waiting" and event["reason"]["code"] == code]
    return {event["request_id"]: event["reason"]["message"] for event in waiting}


def test_every_end_is_told_once(site: Site) -> None:
    simulator = site.simulator
    stubborn, yielding = (
        _request("stubborn", "deployVApp", acme_vapp(3)),
        _request("yielding", "deployVApp", acme_vapp(4)),
    )
    simulator.script({"seconds": TASK_SECONDS, "cancel": "ignore"}, entity=acme_vapp(3))
    simulator.script({"seconds": 60}, entity=acme_vapp(4))
    _spoil(simulator)
    site.start().wait_ready()
    requests = [*_crowd(), *_relatives(1), stubborn, yielding]
    site.send(*requests)
    site.wait_events(lambda events: {"stubborn", "yielding"} <= _accepted(events))
    for one in (stubborn, yielding):
        site.send({"kind": "cancel", "target_request_id": one["request_id"]}, key=one["parameters"]["id"])
    site.wait_events(lambda events: {"vapp-1", "vm-1"} <= _accepted(events))
    simulator.settings(old_busy_text=True)
    site.send(*_relatives(2))

    everyone = [str(request["request_id"]) for request in (*requests, *_relatives(2))]
    events = site.wait_ended(everyone)
    site.check()
    outcomes = {event["request_id"]: event["outcome"] for event in events if event["final"]}
    assert outcomes == {name: "aborted" if name == "yielding" else "success" for name in everyone}
    assert [event for event in events if event["request_id"] == "stubborn"][-1]["task"]["cancelRequested"] is True
    _check_that_it_was_unkind(events, simulator)


def _check_that_it_was_unkind(events: Sequence[Document], simulator: Simulator) -> None:
    """Everything above has happened, or the test has shown nothing."""
    busy = _waits(events, "BUSY_ENTITY")
    assert len({"vapp-1", "vm-1"} & busy.keys()) == len({"vapp-2", "vm-2"} & busy.keys()) == 1
    told = {name.partition("-")[2]: text for name, text in busy.items() if not name.startswith("crowd")}
    assert "urn:vcloud:task:" in told["1"]
    assert told["2"].endswith(OLD_BUSY)
    assert sum(text.endswith(PLAIN_BUSY) for text in busy.values()) == 2
    assert len(_waits(events, "OPERATION_LIMITS_EXCEEDED")) == 2
    ledger = simulator.ledger()
    assert sum(entry["fault"] == "drop" for entry in ledger) == 3
    assert any("page=2" in entry["query"] for entry in ledger if entry["operation"] == "query")
