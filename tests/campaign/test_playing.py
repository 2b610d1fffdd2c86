"""One quick fault as the campaign plays it, on the tests' Kafka."""

from __future__ import annotations

from pathlib import Path

from bridge.crash import CRASH_POINTS
from tests.campaign.fault import Fault, faults
from tests.campaign.playing import play
from tests.campaign.stage import Stage
from tests.support.kafka import KafkaCluster, KafkaNode


def test_a_fault_that_is_played_makes_a_line(kafka: KafkaNode, tmp_path: Path) -> None:
    line = play(_fault(_die), _cluster(kafka), tmp_path / "dies", timed=False)
    assert line.as_expected, line.note
    assert (line.injected, line.lost, line.doubled, line.gaps, line.out_of_order, line.other) == (1, 0, 0, 0, 0, 0)
    assert line.requests >= 30
    assert line.recovered is not None
    assert line.recovered > 0


def test_a_fault_that_cannot_be_played_is_a_bad_line(kafka: KafkaNode, tmp_path: Path) -> None:
    line = play(_fault(_break), _cluster(kafka), tmp_path / "breaks")
    assert (line.as_expected, line.verdict) == (False, "FAILED")
    assert line.note == "ZeroDivisionError: division by zero"
    assert "_break" in (tmp_path / "breaks" / "failure.txt").read_text()


def test_every_crash_point_has_a_line() -> None:
    assert {f"kill_at_{point}" for point in CRASH_POINTS} <= {one.name for one in faults()}


def _die(stage: Stage) -> None:
    """The only process dies, and another is started."""
    with stage.site(processes=1, kafka={"properties": {"group.instance.id": "one"}}) as site:
        stage.wait_more(15)
        site.processes[0].kill()
        stage.strike()
        site.start().wait_ready()
        stage.wait_more(5)


def _break(stage: Stage) -> None:
    raise ZeroDivisionError("division by zero")


def _fault(play: object) -> Fault:
    assert callable(play)
    return Fault(name="quick", part="process", what="quick", play=play)


def _cluster(node: KafkaNode) -> KafkaCluster:
    return KafkaCluster(node.directory, nodes=[node])
