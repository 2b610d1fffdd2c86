"""``freeze`` and ``thaw`` on a real Kafka."""

from __future__ import annotations

import getpass

from tests.cli.conftest import Shell


def test_a_group_is_frozen_and_thawed(kafka_shell: Shell) -> None:
    kafka_shell.run("topics", "apply")
    assert kafka_shell.json("freeze", "--show") == {"frozen": False, "reason": None, "requested_by": None, "at": None}
    said = kafka_shell.json("freeze", "--reason", "upgrade to 10.6", "--requested-by", "jo")
    assert (said["frozen"], said["reason"], said["requested_by"]) == (True, "upgrade to 10.6", "jo")
    assert kafka_shell.json("freeze", "--show") == said
    shown = kafka_shell.run("freeze", "--show")
    assert shown == f"frozen, at {said['at']}, requested by jo, reason upgrade to 10.6\n"
    assert kafka_shell.json("thaw")["requested_by"] == getpass.getuser()
    assert kafka_shell.run("freeze", "--show").startswith("not frozen, at ")


def test_show_goes_alone(kafka_shell: Shell) -> None:
    assert kafka_shell.error("freeze", "--show", "--reason", "x", code=2)["code"] == "usage"


def test_without_the_topic_nothing_is_frozen(kafka_shell: Shell) -> None:
    assert "topics apply" in kafka_shell.error("freeze", code=2)["hint"]
    assert "topics apply" in kafka_shell.error("freeze", "--show", code=2)["hint"]
