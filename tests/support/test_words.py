"""What the logs of bridge processes tell the checker, and what it does not believe."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.checker.evidence import Absence, Freeze, StateWrite, Tenure
from tests.support.words import Words, words_of

LEASE = 2.0


class Logs:
    """Logs of processes that each tell one story, ``t/0/<number>``, which is the first one's writer's."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.paths: list[Path] = []
        self.writes: list[StateWrite] = []

    def say(self, writer: str, *lines: tuple[float, str, dict[str, Any]], end: str = "\n") -> None:
        offset = len(self.paths)
        birth = f"t/0/{offset}"
        self.writes.append(
            StateWrite(
                topic="t", partition=0, offset=offset, at=0, writer=writer, birth=birth, phase="intent", sequence=1
            )
        )
        told = (1.0, "event.published", {"birth": birth, "sequence": 1})
        rows = (
            json.dumps({"timestamp": datetime.fromtimestamp(at, UTC).isoformat(), "event": event, **facts})
            for at, event, facts in (told, *lines)
        )
        self.paths.append(self.directory / f"{offset}.log")
        self.paths[-1].write_text("ready\n" + "\n".join(rows) + end)

    def words(self) -> Words:
        return words_of(self.paths, self.writes, LEASE)


def of(partition: int) -> dict[str, Any]:
    return {"partition": f"t/{partition}"}


def test_what_a_process_knew_begins_a_lease_later_and_ends_with_its_last_word(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.say(
        "a", (10, "partition.assigned", of(0)), (20, "partition.revoked", of(0)), (30, "partition.assigned", of(0)),
        (40, "bridge.frozen", {}), (50, "bridge.thawed", {}), (60, "partition.lost", of(0)), (70, "bridge.frozen", {}),
        (80, "bridge.stopped", {}),
    )  # fmt: skip
    said = logs.words()
    assert said.tenures == [
        Tenure(process="a", topic="t", partition=0, since=10, until=20),
        Tenure(process="a", topic="t", partition=0, since=30, until=60),
    ]
    assert said.absences == [
        Absence(process="a", topic="t", partition=0, since=22, until=29.9),
        Absence(process="a", topic="t", partition=0, since=62, until=79.9),
    ]
    assert said.freezes == [
        Freeze(process="a", since=42, until=49.9),
        Freeze(process="a", since=72, until=79.9),
    ]


def test_who_stands_still_has_a_partition_until_another_takes_it(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.say("a", (10, "partition.assigned", of(0)), (40, "partition.lost", of(0)))
    logs.say("b", (20, "partition.assigned", of(0)), (50, "call.answered", {"call_id": "one"}))
    assert [(one.process, one.since, one.until) for one in logs.words().tenures] == [("a", 10, 19.9), ("b", 20, 50)]


def test_a_process_whose_stories_are_of_two_writers_has_no_name(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.say("a", (10, "call.answered", {"call_id": "one"}))
    logs.say("b", (5, "event.published", {"birth": "t/0/0", "sequence": 1}), (10, "call.answered", {"call_id": "two"}))
    assert logs.words().callers == {"one": "a"}


def test_two_processes_of_one_name_know_nothing_for_each_other(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    for _ in range(2):
        logs.say("a", (10, "bridge.frozen", {}), (20, "partition.lost", of(0)), (30, "bridge.stopped", {}))
    assert logs.words() == Words()


def test_a_call_that_two_say_they_made_and_half_a_line_are_not_believed(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.say("a", (10, "call.answered", {"call_id": "both"}), (11, "call.answered", {"call_id": "cut"}), end="")
    logs.say("b", (10, "call.answered", {"call_id": "both"}), (12, "call.answered", {"call_id": "whole"}))
    assert logs.words().callers == {"whole": "b"}
