"""The worker: its work is a Task in Cloud Director, a person's cancel there stops it, also over its own death."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.examples.running import Example, examples
from tests.support.external import NAMESPACE, ExternalSite
from tests.support.kafka import read
from tests.support.simulator import acme_vm

PATIENT = {"STEPS": "1000", "STEP_SECONDS": "0.3"}
"""Work that does not end while a test looks on."""


def accepted(line: str) -> bool:
    return bool(json.loads(line)["vcd_change"] == "accepted")


def updates_of(site: ExternalSite) -> str:
    """The topic of ticket updates."""
    return str(site.settings["topics"]["ticket_updates"])


def task_of(site: ExternalSite, key: str) -> dict[str, Any]:
    """The one Task that bears the key's mark."""
    (task,) = site.shown(key)
    return task


def test_work_is_shown_as_a_task_and_a_persons_cancel_stops_it(site: ExternalSite, tmp_path: Path) -> None:
    with examples(site.bootstrap, tmp_path, EVENTS=site.events, TASKS=site.external) as any_:

        def start(key: str, organization: str = "acme", *more: str, **environment: str) -> Example:
            return any_("worker.py", key, organization, "Patching the database", *more, **environment)

        done = start("W1", "acme", f"urn:vcloud:vm:{acme_vm(1).removeprefix('vm-')}", STEPS="2", STEP_SECONDS="1")
        nowhere = start("W2", "nowhere", **PATIENT)
        canceled = start("W3", **PATIENT)
        canceled.wait_line(accepted)
        site.person_cancels(task_of(site, "W3")["id"])
        canceled.wait_ended()
        done.wait_ended()
        assert json.loads(nowhere.wait_ended(1)[-1])["vcd_reason"] == "unknown_organization"
    ended = {key: task_of(site, key) for key in ("W1", "W3")}
    assert {key: task["status"] for key, task in ended.items()} == {"W1": "success", "W3": "aborted"}
    assert (ended["W1"]["progress"], ended["W1"]["details"]) == (100, "step 2 of 2")
    assert ended["W1"]["owner"]["href"].endswith(acme_vm(1))
    assert ended["W3"]["details"] == "canceled in Cloud Director"
    assert site.shown("W2") == []
    updates = {message.key(): json.loads(message.value() or b"") for message in read(site.bootstrap, updates_of(site))}
    ended_as = {
        key.decode(): (one["lifecycle"], one["outcome"], one["operation"]) for key, one in updates.items() if key
    }
    assert ended_as["W1"] == ("external_task", "success", None)
    assert ended_as["W3"] == ("external_task", "aborted", None)
    assert updates[b"W1"]["task_id"] == ended["W1"]["id"]
    assert "unknown_organization" in updates[b"W2"]["summary"]


def test_a_cancel_while_the_worker_is_dead_is_heard_when_it_starts_again(site: ExternalSite, tmp_path: Path) -> None:
    work = ("worker.py", "W4", "acme", "Patching the database")
    with examples(site.bootstrap, tmp_path, EVENTS=site.events, TASKS=site.external) as start:
        killed = start(*work, **PATIENT)
        killed.wait_line(accepted)
        killed.kill()
        site.person_cancels(task_of(site, "W4")["id"])
        site.wait_told(lambda told: any(e["external_key"] == "W4" and e["task"]["cancelRequested"] for e in told))
        start(*work, **PATIENT).wait_ended()
    assert task_of(site, "W4")["status"] == "aborted"
    (told,) = site.simulator.external_tasks(NAMESPACE, "/W4]")
    assert told["terminal_updates"] == 1


def test_a_refused_command_is_not_the_end_of_the_task(site: ExternalSite, tmp_path: Path) -> None:
    """It is told under the task's key with an outcome, in a story of its own."""
    with examples(site.bootstrap, tmp_path, EVENTS=site.events, TASKS=site.external) as start:
        worker = start("worker.py", "W5", "acme", "Patching the database", **PATIENT)
        worker.wait_line(accepted)
        site.command("update", "W5", progress=150)
        worker.wait_line(lambda line: json.loads(line).get("vcd_outcome") == "rejected")
        site.person_cancels(task_of(site, "W5")["id"])
        worker.wait_ended()
    assert task_of(site, "W5")["status"] == "aborted"
