"""The ticketing system's side: outcomes close tickets, refusals reopen them, a crash asks for nothing twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.examples.running import Example, examples
from tests.support.bridge import Site
from tests.support.external import ExternalSite
from tests.support.simulator import acme_vapp


def ticket(number: str, vapp: int, operation: str = "deployVApp", **more: Any) -> Mapping[str, Any]:
    return {"number": number, "operation": operation, "parameters": {"id": acme_vapp(vapp)}, **more}


def answers(example: Example) -> dict[str, tuple[str, str, str | None]]:
    """Ticket number -> state, outcome and reason that were told."""
    told = [json.loads(line) for line in example.wait_ended()]
    assert len({one["number"] for one in told}) == len(told), "a ticket is answered once"
    return {one["number"]: (one["state"], one["outcome"], one["reason"]) for one in told}


def finals(site: Site, *request_ids: str) -> list[str]:
    """Of these requests, those of the final events."""
    return sorted(e["request_id"] for e in site.read_events() if e["final"] and e["request_id"] in request_ids)


def test_tickets_are_closed_or_reopened_with_the_reason_and_can_be_corrected(
    site: ExternalSite, tmp_path: Path
) -> None:
    error = {"message": "no", "majorErrorCode": 400, "minorErrorCode": "QUOTA"}
    site.simulator.script({"preset": "error", "error": error}, operation="suspendVApp", times=1)
    database = str(tmp_path / "tickets.db")
    with examples(site.bootstrap, tmp_path, EVENTS=site.events, REQUESTS=site.requests) as start:
        raised = [ticket("CHG1", 1), ticket("CHG2", 2, "frobnicate"), ticket("CHG3", 3, "suspendVApp")]
        assert answers(start("ticketing.py", database, tickets=raised)) == {
            "CHG1": ("closed", "success", None),
            "CHG2": ("reopened", "rejected", "unknown_operation"),
            "CHG3": ("reopened", "error", "QUOTA"),
        }
        # A closed ticket is done; a reopened one may come again.
        again = [ticket("CHG1", 1), ticket("CHG2", 2)]
        assert answers(start("ticketing.py", database, tickets=again)) == {"CHG2": ("closed", "success", None)}
    assert finals(site, "CHG1-1", "CHG1-2", "CHG2-1", "CHG2-2") == ["CHG1-1", "CHG2-1", "CHG2-2"]


def test_killed_and_started_again_it_finds_the_outcome_and_asks_for_nothing_twice(
    site: ExternalSite, tmp_path: Path
) -> None:
    site.simulator.script({"preset": "never-ends"}, entity=acme_vapp(40), times=1)
    database = str(tmp_path / "tickets.db")
    with examples(site.bootstrap, tmp_path, EVENTS=site.events, REQUESTS=site.requests) as start:
        killed = start("ticketing.py", database, tickets=[ticket("CHG4", 40)])
        site.wait_events(lambda events: any(event["request_id"] == "CHG4-1" for event in events))
        killed.kill()
        waiting = start("ticketing.py", database)
        accepted, *_ = site.story("CHG4-1")
        site.simulator.force_task(accepted["task"]["id"], status="success")
        assert answers(waiting) == {"CHG4": ("closed", "success", None)}
        assert answers(start("ticketing.py", database)) == {}
    assert len([call for call in site.simulator.ledger(changes=True) if call["entity"] == acme_vapp(40)]) == 1


def test_it_works_from_ticket_updates_too_and_they_tell_more(site: ExternalSite, tmp_path: Path) -> None:
    with examples(
        site.bootstrap, tmp_path, EVENTS=site.settings["topics"]["ticket_updates"], REQUESTS=site.requests
    ) as start:
        told = start("ticketing.py", str(tmp_path / "tickets.db"), tickets=[ticket("CHG5", 1)]).wait_ended()
    assert [json.loads(line)["summary"] for line in told] == ["deployVApp: success"]
