"""The approver: what a rule fits is decided once, also over its own death; everything else waits for people."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.examples.running import Example, examples
from tests.support.approvals import ApprovalSite, running_approval_site
from tests.support.kafka import REPOSITORY, KafkaNode
from tests.support.observation import make_observation_topics, observation_names, observe
from tests.support.simulator import acme_vapp

EXAMPLES = REPOSITORY / "examples"
RULES = """
[[rule]]
operation = "vappDeploy"
organization = "ac*"
user = "admin"
action = "resume"
reason = "administrators deploy as they like"

[[rule]]
user = "admin"
action = "fail"
reason = "never reached: the first rule that fits decides"
"""


@pytest.fixture
def site(kafka: KafkaNode, tmp_path: Path) -> Iterator[ApprovalSite]:
    """A bridge that announces what acme's people have waiting, and takes decisions."""
    names = observation_names()
    observing = {"enabled": True, "interval_seconds": 0.3}
    with running_approval_site(
        kafka.bootstrap, tmp_path, partitions=1, topics=names, observation=observing
    ) as running:  # fmt: skip
        make_observation_topics(running, names)
        running.start().wait_ready()
        observe(running, names, "acme", blocking_tasks=True)
        yield running


def ask(site: ApprovalSite, number: int, user: str) -> str:
    """Somebody's deploy, which is held. The Task's id."""
    site.simulator.settings(blocking_operations=["deployVApp"])
    answer = site.simulator.log_in(f"{user}@acme").post(f"/api/vApp/{acme_vapp(number)}/action/deploy", {})
    assert answer.status == 202, answer
    return str(answer.json()["id"])


def wait_told(site: ApprovalSite, blocking_task: str) -> None:
    """Until it is told what became of the decision."""
    name = f"approver {blocking_task}"
    site.wait_events(lambda told: any(event["request_id"] == name and event["final"] for event in told))


def answers(program: Example, count: int) -> list[dict[str, Any]]:
    """What it has said to so many blocking tasks."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        line = json.loads(program.wait_line())
        found += [line] if line["state"] == "pending" else []
    return found


def test_what_a_rule_fits_is_decided_and_the_rest_is_left_to_people(site: ApprovalSite, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    topics = {"BLOCKING": site.settings["topics"]["blocking_tasks"], "APPROVALS": site.approvals}
    with examples(site.bootstrap, tmp_path, **topics) as start:
        ask(site, 1, "admin")
        ask(site, 2, "user")
        program = start("approver.py", str(rules))
        told = answers(program, 2)
        assert sorted(one["answer"] for one in told) == ["left to people", "resumeBlockingTask"]
        (decided,) = (one["id"] for one in told if one["answer"] != "left to people")
        wait_told(site, decided)
        program.kill()
        # Whatever it has committed: what is read again is a repeat, and what is new is answered.
        again = start("approver.py", str(rules), KAFKA=json.dumps({"bootstrap.servers": site.bootstrap}))
        ask(site, 3, "admin")
        told = answers(again, 3)
        (new,) = ({one["id"] for one in told} - {decided}) - {one["id"] for one in told if "left" in one["answer"]}
        wait_told(site, new)
    (first,) = site.story(f"approver {decided}")
    assert (first["outcome"], first["requested_by"], first["correlation_id"]) == (
        "success",
        "approver, rule 1",
        decided,
    )
    assert [site.decided(one.rpartition(":")[2]) for one in (decided, new)] == [["resumeBlockingTask"]] * 2


def test_rules_that_are_understood_by_half_are_none(kafka: KafkaNode, tmp_path: Path) -> None:
    for number, rule in enumerate(
        ('action = "approve"', 'action = "fail"\nreason = "r"\nwho = "x"', 'action = "fail"')
    ):
        rules = tmp_path / f"{number}.toml"
        rules.write_text(f"[[rule]]\n{rule}\n")
        with examples(kafka.bootstrap, tmp_path) as start:
            program = start("approver.py", str(rules))
            program.wait_ended(1)
            assert "rule 1 needs an action" in program.log.read_text()


def test_the_rules_that_come_with_it_decide_nothing_until_somebody_lets_them(tmp_path: Path) -> None:
    rules_of = runpy.run_path(str(EXAMPLES / "approver.py"))["rules_of"]
    shipped = EXAMPLES / "approver-rules.toml"
    assert rules_of(str(shipped)) == []
    _, *examples_of_rules = shipped.read_text().split("\n\n")
    wanted = tmp_path / "rules.toml"
    wanted.write_text("\n".join(line.removeprefix("# ") for line in "\n".join(examples_of_rules).splitlines()))
    assert [rule["action"] for rule in rules_of(str(wanted))] == ["resume", "abort"]
