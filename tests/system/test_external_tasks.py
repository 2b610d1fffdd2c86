"""External tasks on real parts: shown, changed, canceled by a person, ended."""

from __future__ import annotations

from pathlib import Path

from tests.support.external import running_external_site
from tests.support.kafka import KafkaNode


def test_a_ticket_is_shown_kept_up_to_date_and_ended(kafka: KafkaNode, tmp_path: Path) -> None:
    with running_external_site(kafka.bootstrap, tmp_path) as site:
        site.start().wait_ready()
        site.command("create", "CHG1", operation="Change firewall", operationName="change", details="waits")
        events = site.wait_told(lambda told: any(e["change"] == "accepted" for e in told))
        (task,) = site.shown("CHG1")
        assert task["status"] == "running"
        assert task["serviceNamespace"] == "com.example.tickets"
        site.person_cancels(events[0]["task"]["id"])
        site.wait_told(lambda told: any(e["task"] and e["task"]["cancelRequested"] for e in told))
        site.command("update", "CHG1", progress=40, details="half done")
        site.command("finish", "CHG1", status="aborted", details="canceled by a person")
        assert site.wait_outcomes("CHG1") == {"CHG1": "aborted"}
        (task,) = site.shown("CHG1")
        assert (task["status"], task["details"], task["progress"]) == ("aborted", "canceled by a person", 40)
        assert next((e["sequence"], e["change"]) for e in site.told("CHG1")) == (1, "accepted")
        site.check()
