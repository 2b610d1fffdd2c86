"""The worker: its work is a Task in Cloud Director, a person's cancel there stops it, also over its own death."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.examples.running import Example, examples
from tests.support.external import NAMESPACE, ExternalSite, running_external_site
from tests.support.kafka import KafkaNode
from tests.support.simulator import acme_vm

PATIENT = {"STEPS": "1000", "STEP_SECONDS": "0.3"}
"""Work that does not end while a test looks on."""


def accepted(line: str) -> bool:
    return bool(json.loads(line)["vcd_change"] == "accepted")


def task_of(site: ExternalSite, key: str) -> dict[str, Any]:
    """The one Task that bears the key's mark."""
    (task,) = site.shown(key)
    return task


def test_work_is_shown_as_a_task_and_a_persons_cancel_stops_it(kafka: KafkaNode, tmp_path: Path) -> None:
    with (
        running_external_site(kafka.bootstrap, tmp_path) as site,
        examples(site, tmp_path, TASKS=site.external) as any_,
    ):
        site.start().wait_ready()

        def start(key: str, organization: str = "acme", *more: str, **environment: str) -> Example:
            return any_("worker.py", key, organization, "Patching the database", *more, **environment)

        done = start("CHG1", "acme", f"urn:vcloud:vm:{acme_vm(1).removeprefix('vm-')}", STEPS="2", STEP_SECONDS="1")
        nowhere = start("CHG2", "nowhere", **PATIENT)
        canceled = start("CHG3", **PATIENT)
        canceled.wait_line(accepted)
        site.person_cancels(task_of(site, "CHG3")["id"])
        canceled.wait_ended()
        done.wait_ended()
        assert json.loads(nowhere.wait_ended(1)[-1])["vcd_reason"] == "unknown_organization"
        ended = {key: task_of(site, key) for key in ("CHG1", "CHG3")}
        assert {key: task["status"] for key, task in ended.items()} == {"CHG1": "success", "CHG3": "aborted"}
        assert (ended["CHG1"]["progress"], ended["CHG1"]["details"]) == (100, "step 2 of 2")
        assert ended["CHG1"]["owner"]["href"].endswith(acme_vm(1))
        assert ended["CHG3"]["details"] == "canceled in Cloud Director"
        assert site.shown("CHG2") == []


def test_a_cancel_while_the_worker_is_dead_is_heard_when_it_starts_again(kafka: KafkaNode, tmp_path: Path) -> None:
    with (
        running_external_site(kafka.bootstrap, tmp_path) as site,
        examples(site, tmp_path, TASKS=site.external) as start,
    ):
        site.start().wait_ready()
        work = ("worker.py", "CHG1", "acme", "Patching the database")
        killed = start(*work, **PATIENT)
        killed.wait_line(accepted)
        killed.kill()
        site.person_cancels(task_of(site, "CHG1")["id"])
        site.wait_told(lambda told: any(e["task"] and e["task"]["cancelRequested"] for e in told))
        start(*work, **PATIENT).wait_ended()
        assert task_of(site, "CHG1")["status"] == "aborted"
        (told,) = site.simulator.external_tasks(NAMESPACE)
        assert told["terminal_updates"] == 1
