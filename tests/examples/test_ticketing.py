"""The ticketing system's side: outcomes close tickets, refusals reopen them, a crash asks for nothing twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.examples.running import Example, examples
from tests.support.bridge import USER, running_site
from tests.support.gathering import ledger_of
from tests.support.kafka import KafkaNode, create_topics, unique
from tests.support.simulator import acme_vapp


def ticket(number: str, vapp: int, operation: str = "deployVApp", **more: Any) -> Mapping[str, Any]:
    return {"number": number, "operation": operation, "parameters": {"id": acme_vapp(vapp)}, **more}


def answers(example: Example) -> dict[str, tuple[str, str, str | None]]:
    """Ticket number -> state, outcome and reason that were told."""
    told = [json.loads(line) for line in example.wait_ended()]
    assert len({one["number"] for one in told}) == len(told), "a ticket is answered once"
    return {one["number"]: (one["state"], one["outcome"], one["reason"]) for one in told}


def test_tickets_are_closed_or_reopened_with_the_reason_and_can_be_corrected(kafka: KafkaNode, tmp_path: Path) -> None:
    with (
        running_site(kafka.bootstrap, tmp_path) as site,
        examples(site, tmp_path, REQUESTS=site.requests) as start,
    ):
        error = {"message": "no", "majorErrorCode": 400, "minorErrorCode": "QUOTA"}
        site.simulator.script({"preset": "error", "error": error}, operation="suspendVApp", times=1)
        site.start().wait_ready()
        database = str(tmp_path / "tickets.db")
        raised = [ticket("CHG1", 1), ticket("CHG2", 2, "frobnicate"), ticket("CHG3", 3, "suspendVApp")]
        assert answers(start("ticketing.py", database, tickets=raised)) == {
            "CHG1": ("closed", "success", None),
            "CHG2": ("reopened", "rejected", "unknown_operation"),
            "CHG3": ("reopened", "error", "QUOTA"),
        }
        # A closed ticket is done; a reopened one may come again.
        again = [ticket("CHG1", 1), ticket("CHG2", 2)]
        assert answers(start("ticketing.py", database, tickets=again)) == {"CHG2": ("closed", "success", None)}
        assert [event["request_id"] for event in site.read_events() if event["final"]].count("CHG1-1") == 1
        assert {event["request_id"] for event in site.read_events()} == {"CHG1-1", "CHG2-1", "CHG2-2", "CHG3-1"}


def test_killed_and_started_again_it_finds_the_outcome_and_asks_for_nothing_twice(
    kafka: KafkaNode, tmp_path: Path
) -> None:
    with (
        running_site(kafka.bootstrap, tmp_path) as site,
        examples(site, tmp_path, REQUESTS=site.requests) as start,
    ):
        site.simulator.script({"preset": "never-ends"}, times=1)
        site.start().wait_ready()
        database = str(tmp_path / "tickets.db")
        killed = start("ticketing.py", database, tickets=[ticket("CHG1", 1)])
        (accepted, *_) = site.wait_events(lambda events: any(event["change"] == "accepted" for event in events))
        killed.kill()
        waiting = start("ticketing.py", database)
        site.simulator.force_task(accepted["task"]["id"], status="success")
        assert answers(waiting) == {"CHG1": ("closed", "success", None)}
        assert answers(start("ticketing.py", database)) == {}
        assert len([call for call in ledger_of(site.simulator, USER) if call.effect]) == 1


def test_it_works_from_ticket_updates_too_and_they_tell_more(kafka: KafkaNode, tmp_path: Path) -> None:
    updates = unique("snc.dev1.sn_vcd.updates")
    create_topics(kafka.bootstrap, {updates: 2})
    with (
        running_site(kafka.bootstrap, tmp_path, topics={"ticket_updates": updates}) as site,
        examples(site, tmp_path, REQUESTS=site.requests, EVENTS=updates) as start,
    ):
        site.start().wait_ready()
        told = start("ticketing.py", str(tmp_path / "tickets.db"), tickets=[ticket("CHG1", 1)]).wait_ended()
        assert [json.loads(line)["summary"] for line in told] == ["deployVApp: success"]
