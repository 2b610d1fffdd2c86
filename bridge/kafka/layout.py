"""Which topics the bridge needs and how they must be set, and where a cluster differs from that. Pure.

Names of settings are Kafka's topic configuration names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from bridge.ports import TopicNames

OVERHEAD_BYTES = 64 * 1024
"""What the store and the dead letters add to the largest input record: headers and their own fields."""
_MINUTE_MS = 60_000
_DAY_MS = 24 * 60 * _MINUTE_MS


class Rule(StrEnum):
    """How a wanted value binds a topic that exists already."""

    EXACTLY = "exactly"
    AT_LEAST = "at least"
    """Higher is as good; -1, where Kafka means "no limit" by it, is highest."""
    WHEN_CREATED = "when created"
    """A good beginning; whoever runs the cluster may have chosen otherwise."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Value of one topic setting."""

    value: str
    rule: Rule

    def accepts(self, current: str | None) -> bool:
        match self.rule:
            case Rule.WHEN_CREATED:
                return True
            case Rule.EXACTLY:
                return current == self.value
            case Rule.AT_LEAST:
                return current is not None and (current == "-1" or int(current) >= int(self.value))


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredTopic:
    """A topic as it has to be. ``partitions_bind``: another number of partitions in the cluster is a difference."""

    name: str
    partitions: int
    partitions_bind: bool
    replication_factor: int
    settings: Mapping[str, Wanted]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExistingTopic:
    """A topic as the cluster has it. ``settings``: effective values, defaults included."""

    partitions: int
    replication_factor: int
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What the settings say. ``partitions`` is for topics to be created; an input that exists has its own number.

    Topics that are switched off are neither wanted nor looked at: they may belong to somebody else.
    """

    names: TopicNames
    partitions: int = 6
    replication_factor: int = 3
    dedupe_window: timedelta = timedelta(days=7)

    def topics(self) -> tuple[str, ...]:
        """Names of all topics: each input with its store, the outputs, and what operators tell the group."""
        names = self.names
        inputs = (name for one in names.inputs for name in (one, names.changelog(one), names.ended(one)))
        return (*inputs, *names.outputs, names.control)

    def partitions_of(self, topic: str) -> int:
        """How many a topic is made with where it stands alone."""
        return 1 if topic == self.names.control else self.partitions

    def required(self, existing: Mapping[str, ExistingTopic], *, default_record_bytes: int) -> list[RequiredTopic]:
        """All topics as they have to be. ``default_record_bytes``: the broker's limit for topics without their own."""
        names, made, largest = self.names, _Made(existing, self.replication_factor), 0
        required: list[RequiredTopic] = []
        for source in names.inputs:
            found = existing.get(source)
            partitions = found.partitions if found is not None else self.partitions
            limit = found.settings.get("max.message.bytes") if found is not None else None
            record = int(limit) if limit is not None else default_record_bytes
            largest = max(largest, record)
            required += [
                made.topic(source, partitions, _STANDING if source == names.observations else _KEPT),
                made.topic(names.changelog(source), partitions, self._changelog() | _fits(record), binds=True),
                made.topic(names.ended(source), partitions, self._ended() | _fits(record), binds=True),
            ]
        for name in names.outputs:
            dead = _fits(largest) | _DEAD_LETTERS if name == names.dead_letters else {}
            required.append(made.topic(name, self.partitions, _KEPT | dead))
        # What holds for the whole group needs an order.
        required.append(made.topic(names.control, self.partitions_of(names.control), _CONTROL, binds=True))
        return required

    def _changelog(self) -> dict[str, Wanted]:
        return {
            "cleanup.policy": Wanted("compact", Rule.EXACTLY),
            # A tombstone must outlast the longest read of the store, or what it deleted comes back.
            "delete.retention.ms": Wanted(str(_DAY_MS), Rule.AT_LEAST),
            "unclean.leader.election.enable": Wanted("false", Rule.EXACTLY),
            # The active segment is never compacted: roll often enough to keep restores short.
            "segment.ms": Wanted(str(60 * _MINUTE_MS), Rule.WHEN_CREATED),
            "segment.bytes": Wanted(str(64 * 1024 * 1024), Rule.WHEN_CREATED),
            "min.cleanable.dirty.ratio": Wanted("0.2", Rule.WHEN_CREATED),
        }

    def _ended(self) -> dict[str, Wanted]:
        window_ms = int(self.dedupe_window.total_seconds() * 1000)
        return {
            "cleanup.policy": Wanted("delete", Rule.EXACTLY),
            "retention.ms": Wanted(str(window_ms), Rule.AT_LEAST),
            "retention.bytes": Wanted("-1", Rule.EXACTLY),
            "unclean.leader.election.enable": Wanted("false", Rule.EXACTLY),
            # Whole segments expire: an eighth of the window keeps what is read back close to the window.
            "segment.ms": Wanted(str(max(60 * _MINUTE_MS, window_ms // 8)), Rule.WHEN_CREATED),
        }


@dataclass(frozen=True, slots=True)
class _Made:
    """What all topics have in common."""

    existing: Mapping[str, ExistingTopic]
    replication_factor: int

    def topic(self, name: str, partitions: int, settings: dict[str, Wanted], *, binds: bool = False) -> RequiredTopic:
        found = self.existing.get(name)
        replicas = found.replication_factor if found is not None else self.replication_factor
        # One broker may be away, yet what is acknowledged is in two places.
        in_sync = {"min.insync.replicas": Wanted("2" if replicas >= 3 else "1", Rule.AT_LEAST)}
        return RequiredTopic(
            name=name,
            partitions=partitions,
            partitions_bind=binds,
            replication_factor=self.replication_factor,
            settings=in_sync | settings,
        )


def _fits(record_bytes: int) -> dict[str, Wanted]:
    return {"max.message.bytes": Wanted(str(record_bytes + OVERHEAD_BYTES), Rule.AT_LEAST)}


_KEPT = {"cleanup.policy": Wanted("delete", Rule.EXACTLY)}
"""A compacted input would lose requests, a compacted output steps of a story."""
_STANDING = {"cleanup.policy": Wanted("compact", Rule.EXACTLY)}
"""Of an input whose records stand until a later one of their key; deleted, they would be gone for those who read it."""
_CONTROL = {
    "cleanup.policy": Wanted("compact", Rule.EXACTLY),
    "unclean.leader.election.enable": Wanted("false", Rule.EXACTLY),
}
_DEAD_LETTERS = {"retention.ms": Wanted(str(30 * _DAY_MS), Rule.WHEN_CREATED)}


class Change(StrEnum):
    """What a difference takes to go away."""

    CREATE = "create"
    GROW = "grow"
    """Add partitions."""
    SET = "set"
    """Change a topic setting."""
    IMPOSSIBLE = "impossible"
    """Not to be had without a person: partitions never go, replicas are moved by the cluster's own tools."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not as it has to be. ``setting``: a topic setting, ``partitions`` or ``replication.factor``."""

    topic: str
    change: Change
    setting: str = ""
    current: str | None = None
    wanted: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """All differences, in the order of the topics; ``required`` holds what new topics are created with."""

    differences: tuple[Difference, ...]
    required: Mapping[str, RequiredTopic]

    @property
    def is_empty(self) -> bool:
        return not self.differences

    def of(self, change: Change) -> list[Difference]:
        return [difference for difference in self.differences if difference.change is change]


def compare(required: list[RequiredTopic], existing: Mapping[str, ExistingTopic]) -> TopicPlan:
    """Where ``existing`` differs from ``required``."""
    differences: list[Difference] = []
    for topic in required:
        found = existing.get(topic.name)
        if found is None:
            wanted = f"{_counted(topic.partitions, 'partition')}, {_counted(topic.replication_factor, 'replica')}"
            differences.append(Difference(topic=topic.name, change=Change.CREATE, wanted=wanted))
        else:
            differences += _compare(topic, found)
    return TopicPlan(tuple(differences), {topic.name: topic for topic in required})


def _hint(topic: RequiredTopic) -> str:
    if topic.partitions == 1:
        return "partitions cannot be taken away; delete the topic, and let `topics apply` make it"
    return "partitions cannot be taken away; add partitions to the input topic instead"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _compare(topic: RequiredTopic, found: ExistingTopic) -> Iterator[Difference]:
    if topic.partitions_bind and found.partitions != topic.partitions:
        grows = found.partitions < topic.partitions
        yield Difference(
            topic=topic.name,
            change=Change.GROW if grows else Change.IMPOSSIBLE,
            setting="partitions",
            current=str(found.partitions),
            wanted=str(topic.partitions),
            hint="" if grows else _hint(topic),
        )
    if found.replication_factor < topic.replication_factor:
        yield Difference(
            topic=topic.name,
            change=Change.IMPOSSIBLE,
            setting="replication.factor",
            current=str(found.replication_factor),
            wanted=str(topic.replication_factor),
            hint="use kafka-reassign-partitions, or set topics.replication_factor to what the cluster has",
        )
    for name, wanted in topic.settings.items():
        current = found.settings.get(name)
        if not wanted.accepts(current):
            yield Difference(topic=topic.name, change=Change.SET, setting=name, current=current, wanted=wanted.value)
