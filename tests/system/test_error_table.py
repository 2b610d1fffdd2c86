"""Every answer of the error table, met by a whole bridge: what it did, what the events say, what the ledger shows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.bridge import Site, running_site
from tests.support.kafka import KafkaNode
from tests.support.processes import REPOSITORY
from tests.system.error_table import OPERATIONS, READS, ROWS, End, Row, printed

Document = dict[str, Any]

HELD = {"HTTP_429"}
"""What those are told who wait because somebody else was asked to."""
QUICK: dict[str, dict[str, Any]] = {
    # So many failures in a row would be an outage elsewhere.
    "vcd": {"answer_timeout_seconds": 0.7, "lease_seconds": 1, "longest_pause_seconds": 0.1},
    "retry": {"base_delay_seconds": 0.1, "max_delay_seconds": 0.5, "busy_max_delay_seconds": 0.3},
    "following": {"interval_seconds": 0.1},
}
LOOKS = r"^/api/(query|task/)"
"""How Tasks are followed: many by a query, few one by one."""
CASES = [pytest.param(row, recovery, id=row.request_id(recovery)) for row in ROWS for recovery in row.ends]


@dataclass(frozen=True, slots=True)
class Story:
    events: list[Document]
    calls: list[Document]


@pytest.fixture(scope="module")
def site(kafka: KafkaNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One bridge."""
    options = {"task_seconds": 0.2, "settings": {"strict_states": False}}
    directory = tmp_path_factory.mktemp("errors")
    with running_site(kafka.bootstrap, directory, simulator=options) as site:
        site.settings = QUICK
        site.start().wait_ready()
        yield site


@pytest.fixture(scope="module")
def stories(site: Site) -> dict[str, Story]:
    """All rows at once, those that hold everything up after them; by request id."""
    entities, occupants, events = dict[str, str](), dict[str, str](), list[Document]()
    for holds in (False, True):
        rows = sorted((row for row in ROWS if row.holds is holds), key=lambda row: row.occupied)
        requests = [_prepare(site, row, recovery, entities, occupants) for row in rows for recovery in row.ends]
        site.send(*requests)
        _release(site, occupants)
        events = site.wait_ended([request["request_id"] for request in requests])
    site.check()
    ledger = site.simulator.ledger(changes=True)
    return {
        name: Story(
            [event for event in events if event["request_id"] == name],
            [entry for entry in ledger if entry["entity"] == entity and entry["user"] == "administrator"],
        )
        for name, entity in entities.items()
    }


def _prepare(site: Site, row: Row, recovery: str, entities: dict[str, str], occupants: dict[str, str]) -> Document:
    """The fault is set, or the entity occupied; the request that will meet it, for an entity of its own."""
    name, operation = row.request_id(recovery), OPERATIONS[recovery]
    entity = entities[name] = f"vapp-00000000-0000-4000-8000-{len(entities):012d}"
    if row.occupied:
        site.simulator.script({"preset": "never-ends"}, entity=entity, times=1)
        started = site.simulator.log_in("operator@System").post(f"/api/vApp/{entity}/action/deploy", {})
        assert started.status == 202
        occupants[entity] = started.json()["id"]
    else:
        site.simulator.fault(**row.fault, entity=entity, operation=operation)
    body = {"body": {"name": "s"}} if operation == "createSnapshot" else {}
    return {"request_id": name, "operation": operation, "parameters": {"id": entity}, **body}


def _release(site: Site, occupants: dict[str, str]) -> None:
    """Somebody else's Tasks end, once each has been met."""
    deadline = time.monotonic() + 60
    while waiting := occupants.keys() - {
        entry["entity"] for entry in site.simulator.ledger(changes=True) if entry["user"] == "administrator"
    }:
        assert time.monotonic() < deadline, f"these were not called: {waiting}"
        time.sleep(0.05)  # the simulator is polled: there is nothing to be woken by
    while occupants:
        site.simulator.force_task(occupants.popitem()[1], status="success")


@pytest.mark.parametrize(("row", "recovery"), CASES)
def test_every_answer_becomes_what_the_table_says(stories: dict[str, Story], row: Row, recovery: str) -> None:
    story, end = stories[row.request_id(recovery)], row.ends[recovery]
    last = story.events[-1]
    assert (last["outcome"], last["change"] == "parked") == (end.outcome, end.outcome is None)
    assert sum(call["effect"] for call in story.calls) == end.effects
    assert len(story.calls) == end.calls or (end.or_more and len(story.calls) > end.calls)
    assert story.calls[0]["fault"] == (None if row.occupied else row.fault.get("do", story.calls[0]["fault"]))
    _check_told(story.events, end, HELD if row.holds else set())


def _check_told(events: list[Document], end: End, held: set[str]) -> None:
    reasons = {event["reason"]["code"] for event in events if event["reason"] is not None}
    expected = set() if end.reason is None else {end.reason}
    assert expected <= reasons <= expected | held
    assert any(event["evidence"] for event in events) is end.looked
    ids = {event["vcd_request_id"] for event in events if event["change"] in {"accepted", "rejected"}}
    assert None not in ids or end.looked or end.reason is not None


def test_following_outlives_every_answer_to_a_read(site: Site, stories: dict[str, Story]) -> None:
    """Its looks meet all of them, one after the other, while a Task runs; nothing is called again for it."""
    simulator, entity = site.simulator, "vapp-00000000-0000-4000-8000-999999999999"
    simulator.script({"preset": "never-ends"}, entity=entity)
    site.send({"request_id": "followed", "operation": "deployVApp", "parameters": {"id": entity}})
    site.wait_events(lambda events: any(event["request_id"] == "followed" for event in events))
    faults = [simulator.fault(**fault, method="GET", path=LOOKS) for fault in READS.values()]
    for fault in faults:
        simulator.wait_met(fault)
    (call,) = (entry for entry in simulator.ledger(changes=True) if entry["entity"] == entity)
    simulator.force_task(call["task"], status="success")
    events = site.wait_ended(["followed"])
    assert [event["outcome"] for event in events if event["request_id"] == "followed"][-1] == "success"
    assert sum(entry["entity"] == entity for entry in simulator.ledger(changes=True)) == 1
    met = [entry for entry in simulator.ledger() if entry["method"] == "GET" and entry["fault"] is not None]
    assert len(met) == len(READS)
    site.check()


def test_the_document_has_this_table() -> None:
    told = (REPOSITORY / "docs" / "vcd-client.md").read_text()
    assert printed() in told, f"docs/vcd-client.md should have:\n{printed()}"
