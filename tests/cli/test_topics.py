"""``topics plan|apply`` on a real Kafka."""

from __future__ import annotations

from tests.cli.conftest import Shell
from tests.support.kafka import unique


def test_apply_makes_what_plan_wants_and_may_be_repeated(kafka_shell: Shell) -> None:
    planned = kafka_shell.json("topics", "plan", code=3)["differences"]
    assert [difference["change"] for difference in planned] == ["create"] * 6
    assert [difference["wanted"] for difference in planned] == ["2 partitions, 1 replica"] * 5 + [
        "1 partition, 1 replica"
    ]
    done = kafka_shell.json("topics", "apply")
    assert done == {"done": planned, "impossible": []}
    assert kafka_shell.json("topics", "plan") == {"differences": []}
    assert kafka_shell.json("topics", "apply") == {"done": [], "impossible": []}
    kafka_shell.run("topics", "plan")
    assert kafka_shell.err == "nothing differs\n"


def test_what_a_setting_switches_on_is_planned_then(kafka_shell: Shell) -> None:
    kafka_shell.run("topics", "apply")
    group = unique("cli")
    kafka_shell.set(topics__external_tasks=f"{group}.external")
    assert kafka_shell.json("topics", "plan") == {"differences": []}
    kafka_shell.set(external_tasks__service_namespace="com.example.tickets", topics__ticket_updates=f"{group}.tickets")
    planned = [difference["topic"] for difference in kafka_shell.json("topics", "plan", code=3)["differences"]]
    assert [topic.rpartition(".")[2] for topic in planned] == ["external", "changelog", "ended", "tickets"]
    kafka_shell.run("topics", "apply")
    kafka_shell.run("topics", "plan")


def test_a_longer_dedupe_window_is_a_difference_that_apply_settles(kafka_shell: Shell) -> None:
    kafka_shell.run("topics", "apply")
    kafka_shell.set(intake__dedupe_window_days=30)
    assert "retention.ms" in kafka_shell.run("topics", "plan", code=3)
    kafka_shell.run("topics", "apply")
    kafka_shell.run("topics", "plan")


def test_what_takes_a_person_is_told_with_exit_code_1(kafka_shell: Shell) -> None:
    kafka_shell.run("topics", "apply")
    kafka_shell.set(topics__replication_factor=3)
    found = kafka_shell.json("topics", "apply", code=1)
    assert {difference["setting"] for difference in found["impossible"]} == {"replication.factor"}
    assert all(difference["hint"] for difference in found["impossible"])


def test_only_kafka_is_needed(shell: Shell) -> None:
    assert shell.error("topics", "plan", code=2)["message"] == "kafka.bootstrap_servers is not set"


def test_a_subcommand_is_needed(shell: Shell) -> None:
    assert shell.error("topics", code=2)["code"] == "usage"
