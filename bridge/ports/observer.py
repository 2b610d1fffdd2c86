"""What the engine tells about itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from bridge.core.answers import CallAnswer, HttpCall
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.events import StatusEvent
from bridge.core.freeze import Freeze
from bridge.core.lifecycle import Ended, Lifecycle
from bridge.core.requests import SchemaAnswer


class Observer(Protocol):
    """Facts the engine tells about itself, each one log line where it matters and one metric. Never raises."""

    def admitted(self, lifecycle: Lifecycle, *, deprecated: bool) -> None:
        """A request opened a lifecycle."""
        ...

    def refused(self, event: StatusEvent) -> None:
        """A record was answered by a one-event story (rejected, conflict, repeat with another correlation id)."""
        ...

    def repeated(self, known: Lifecycle | Ended, record: Birth) -> None:
        """An identical repeat was recognised silently."""
        ...

    def dead_lettered(self, record: Birth, stage: str, message: str) -> None: ...

    def told(self, event: StatusEvent) -> None:
        """An event of a lifecycle was committed."""
        ...

    def moved(self, before: Lifecycle | None, after: Lifecycle) -> None:
        """A lifecycle's new state was committed."""
        ...

    def noted(self, lifecycle: Lifecycle, note: str, evidence: Sequence[str] = ()) -> None:
        """A fact worth counting, e.g. ``status_regression``; ``recovery_adopted`` and its like with their evidence."""
        ...

    def look_put_off(self, lifecycle: Lifecycle, why: str) -> None:
        """VCD cannot be asked what became of a call; it is asked again until it answers. Told once a look."""
        ...

    def look_again_later(self, lifecycle: Lifecycle, seconds: float, why: str, evidence: Sequence[str]) -> None:
        """A look does not settle it yet, because the call may still be on its way: another follows."""
        ...

    def call_answered(self, lifecycle: Lifecycle, call: HttpCall, answer: CallAnswer, seconds: float) -> None:
        """``lifecycle`` is as it was when the call left."""
        ...

    def committed(self, seconds: float, steps: int) -> None:
        """A group commit succeeded."""
        ...

    def not_committed(self, lost: int, refused: int) -> None: ...

    def assigned(self, partition: TopicPartition, lifecycles: int, seconds: float) -> None:
        """A partition was restored and is being read."""
        ...

    def restored(self, partition: TopicPartition, phases: Mapping[str, int], remarks: Sequence[str]) -> None:
        """What a restore found: open lifecycles by phase, and what a person should know of how the store was read."""
        ...

    def unassigned(self, partition: TopicPartition, *, lost: bool) -> None: ...

    def partition_stopped(self, partition: TopicPartition, reason: str) -> None:
        """A partition cannot go on until a person acts; the others do."""
        ...

    def paused(self, partition: TopicPartition, *, paused: bool) -> None: ...

    def backlog_admitted(self, partition: TopicPartition) -> None: ...

    def orphan_found(self, partition: TopicPartition, external_key: str, task_id: str, policy: str) -> None:
        """A running Task bears our mark, and nobody has it; ``policy`` says what becomes of it."""
        ...

    def orphan_left(self, partition: TopicPartition, external_key: str, task_id: str, why: str) -> None:
        """A running Task bears our mark, and is left as it is: somebody has it or may find it, or it cannot be read."""
        ...

    def orphans_unknown(self, namespace: str, reason: str) -> None:
        """VCD does not say which running Tasks of a service namespace bear our mark."""
        ...

    def strangers_seen(self, namespace: str, count: int) -> None:
        """Running Tasks of others under our namespace: they are left alone."""
        ...

    def homeless_seen(self, namespace: str, count: int, places: Sequence[str]) -> None:
        """Running Tasks with our mark that names none of the partitions there are: nobody judges or ends them.

        ``places``: as their marks name them, ``<topic>-<partition>``.
        """
        ...

    def observation_looked(
        self, *, observations: int, active: int, requests: int, seconds: float, behind_seconds: float
    ) -> None:
        """A look for so many observations, by so many queries, has shown so many active Tasks; the one that is furthest
        behind tells what ended so long ago."""
        ...

    def observation_slow(self, seconds: float, interval: float, *, slow: bool) -> None:
        """Looks take longer than the interval from now on, or do not any more."""
        ...

    def observation_put_off(self, why: str) -> None:
        """VCD cannot be asked what Tasks there are, or will not answer; it is asked again at the next look. Told once,
        until it answers."""
        ...

    def breaker_moved(self, state: str, reason: str, seconds: float) -> None:
        """The circuit breaker is ``closed``, ``open`` or ``half_open`` from now on; ``seconds``: since it opened."""
        ...

    def freeze_changed(self, freeze: Freeze) -> None:
        """Operators have frozen the group, or it is not frozen any more."""
        ...

    def schema_waiting(self, partition: TopicPartition, schema_id: int) -> None:
        """The partition's intake waits until the registry tells a schema, or until patience is over."""
        ...

    def schema_answered(self, partition: TopicPartition, schema_id: int, answer: SchemaAnswer) -> None:
        """That wait is over."""
        ...
