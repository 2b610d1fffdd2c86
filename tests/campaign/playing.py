"""Plays faults one after the other, each on a Kafka of the right size that the one before left whole."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.campaign.fault import Fault
from tests.campaign.lines import Line, line_of
from tests.campaign.stage import Stage
from tests.support.kafka import KafkaCluster

SETTINGS = {
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.heartbeat.interval.ms": "1000",
    # As far apart from the session time-outs as production has them: a successor that waits for this is seen.
    "transaction.max.timeout.ms": "900000",
}
"""Of every broker, on top of those that all tests have. Sessions of the new protocol as long as the classic ones."""


class Clusters:
    """One Kafka at a time, kept from fault to fault while it can be."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._cluster: KafkaCluster | None = None
        self._made_for: tuple[int, tuple[tuple[str, str], ...]] | None = None
        self._number = 0

    def for_fault(self, fault: Fault) -> KafkaCluster:
        """The one that is there, if it is right and whole; otherwise a new one."""
        wanted = (fault.nodes, tuple(sorted(fault.overrides.items())))
        if self._cluster is None or wanted != self._made_for or not _is_whole(self._cluster):
            self.close()
            self._number += 1
            directory = self._directory / f"kafka-{self._number}"
            directory.mkdir(parents=True)
            self._cluster = KafkaCluster(directory, fault.nodes, {**SETTINGS, **fault.overrides})
            self._cluster.start()
            self._made_for = wanted
        cluster = self._cluster
        if fault.breaks:
            self._made_for = None
        return cluster

    def close(self) -> None:
        if self._cluster is not None:
            self._cluster.stop()
            self._cluster = None


def _is_whole(cluster: KafkaCluster) -> bool:
    return all(node.process is not None and node.process.poll() is None for node in cluster.nodes)


@contextmanager
def clusters(directory: Path) -> Iterator[Clusters]:
    made = Clusters(directory)
    try:
        yield made
    finally:
        made.close()


def in_order(faults: Sequence[Fault]) -> list[Fault]:
    """Those that can share a cluster one after the other; parts in their order otherwise."""
    return sorted(faults, key=lambda one: (one.nodes, sorted(one.overrides.items()), one.breaks))


def play(
    fault: Fault, cluster: KafkaCluster, directory: Path, *, hours: float | None = None, timed: bool = True
) -> Line:
    """Play one fault; whatever goes wrong is in its line, the whole of it in ``directory``, which is made."""
    directory.mkdir(parents=True)
    stage = Stage(fault, cluster, directory, hours, timed)
    began = time.monotonic()
    try:
        fault.play(stage)
    except Exception as failure:  # a fault that cannot be played is a line too
        (directory / "failure.txt").write_text(traceback.format_exc())
        stage.fail(f"{type(failure).__name__}: {str(failure).partition(chr(10))[0][:300]}")
    stage.judge_times()
    return line_of(stage, time.monotonic() - began)
