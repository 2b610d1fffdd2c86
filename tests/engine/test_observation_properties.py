"""Whatever looks find, in whatever order, whichever rounds are lost and whoever goes on: each Task is told once."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.avro.observation_codec import AvroObservationCodec
from bridge.avro.store_codec import AvroStoreCodec
from bridge.catalogue.operation import Recovery
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.events import StatusEvent
from bridge.core.lifecycle import Lifecycle, Phase
from bridge.core.observation import task as observed
from bridge.core.observation.order import order_part
from bridge.core.observation_rules import ObservationRules
from bridge.core.observation_seen import LookOver, Seen, SeenMissing, SeenTask
from bridge.core.rules import OperationFacts, Rules
from bridge.core.task import Task, is_final, rank
from bridge.engine.desks.observation_desk import ObservationDesk
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.partition.records import state_key
from bridge.engine.partition.round import PartitionRound
from bridge.engine.partition.sightings import Sightings
from bridge.errors import InvariantViolation
from bridge.ports import StoredRecord
from tests.core.observation.orders import NOW, RULES, VCD_NOW, followed, task

HOUR = timedelta(hours=1)
STEPS = ("queued", "preRunning", "running", "postRunning")
PARTITION = TopicPartition("vcd.observations", 0)
FACTS = OperationFacts(Recovery.PROBE)


@dataclass(slots=True)
class Work:
    """One Task of VCD. ``shown_at``: from when on its end is seen."""

    name: str
    step: int = 0
    progress: int = 0
    ended: datetime | None = None
    ended_as: str = "success"
    shown_at: datetime = VCD_NOW
    is_gone: bool = False

    def shown(self, now: datetime) -> Task:
        if self.ended is not None and now >= self.shown_at:
            return task(self.name, self.ended_as, ended=self.ended)
        return task(self.name, STEPS[self.step], progress=self.progress)


@dataclass(slots=True)
class Play:
    """A VCD, a partition with one observation of it, and everything that was told."""

    random: Random
    rules: ObservationRules
    now: datetime = VCD_NOW
    works: list[Work] = field(default_factory=list)
    told: list[StatusEvent] = field(default_factory=list)
    owned: OwnedPartition = field(init=False)
    order: Birth = field(init=False)

    def __post_init__(self) -> None:
        self.owned = OwnedPartition(PARTITION, 1, "topic", 0, 0)
        self.owned.put(followed())
        self.order = followed().birth

    # --- what happens ---------------------------------------------------------------------------------------------

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.random.choice((self.live, self.live, self.look, self.hint, self.round, self.round, self.restart))()
        for _ in range(4):
            self.now += RULES.overlap
            self.settle()

    def live(self) -> None:
        self.now += timedelta(milliseconds=self.random.randrange(12_000))
        for work in self.works:
            if work.ended is None and not work.is_gone:
                self._advance(work)
        for _ in range(self.random.randrange(3)):
            self.works.append(Work(f"t{len(self.works)}"))

    def _advance(self, work: Work) -> None:
        work.step = min(len(STEPS) - 1, work.step + self.random.randrange(2))
        work.progress = min(100, work.progress + self.random.randrange(30))
        chance = self.random.random()
        if chance < 0.2:
            work.ended = self.now - timedelta(milliseconds=self.random.randrange(1000))
            work.ended = max(VCD_NOW, work.ended.replace(microsecond=work.ended.microsecond // 1000 * 1000))
            work.ended_as = self.random.choice(("success", "error", "aborted", "canceled"))
            work.shown_at = self.now + timedelta(seconds=self.random.choice((0, 0, 20)))
        elif chance < 0.23:
            work.is_gone = True

    def look(self) -> None:
        """Not before what the last one has found is committed."""
        if self.owned.found:
            return
        part = order_part(self.owned.lifecycles[self.order])
        start = part.window_start(self.rules.overlap)
        assert start is not None
        found: list[Seen] = []
        for work in self.works:
            shown, known = work.shown(self.now), self.owned.known(f"acme/urn:vcloud:task:{work.name}")
            if work.is_gone:
                if isinstance(known, Lifecycle) and known.phase is Phase.FOLLOWING:
                    found.append(self._missing(work))
            elif not shown.is_final or (work.ended is not None and work.ended >= start):
                found.append(SeenTask(order=self.order, task=shown))
        self.random.shuffle(found)
        self.owned.found.extend(found)
        self.owned.found.append(LookOver(order=self.order, position=self.now, is_news=self.random.random() < 0.5))

    def _missing(self, work: Work) -> SeenMissing:
        urn = f"urn:vcloud:task:{work.name}"
        return SeenMissing(order=self.order, task_id=urn, http_status=403, message="no access", at=self.now)

    def hint(self) -> None:
        """Of any Task, of one that ended long ago too."""
        if self.works and not (work := self.random.choice(self.works)).is_gone:
            self.owned.found.append(SeenTask(order=self.order, task=work.shown(self.now)))

    def round(self) -> None:
        """Gathered as the engine does; every fourth is lost."""
        work = PartitionRound(
            self.owned,
            NOW,
            lambda name: FACTS,
            Rules(observation=self.rules),
            0,
            lambda owned, lifecycle, request: request,
            0,
        )
        DESK.take_found(work, self.random.randrange(1, 9))
        if self.random.random() < 0.25:
            self.owned.found.extendleft(reversed(work.taken_found))
            return
        for lifecycle in work.changed.values():
            self.owned.put(lifecycle)
        self.told += work.events
        assert work.ended() == []

    def restart(self) -> None:
        """What was found and not committed is lost; what was committed comes back from its bytes."""
        codec, before = AvroStoreCodec(), self.owned.lifecycles
        self.owned = OwnedPartition(PARTITION, 1, "topic", 0, 0)
        for birth in sorted(before, key=lambda birth: (birth.offset < 0, birth)):
            record = StoredRecord(state_key(birth), *codec.encode_state(before[birth]))
            self.owned.put(codec.decode_state(record))

    def settle(self) -> None:
        self.look()
        while self.owned.found or self._is_forgetting():
            self.round()

    def _is_forgetting(self) -> bool:
        floor = order_part(self.owned.lifecycles[self.order]).floor
        assert floor is not None
        return bool(self.owned.sightings.past(self.order, floor, 1))

    # --- what holds -----------------------------------------------------------------------------------------------

    def check(self) -> None:
        stories: dict[Birth, list[StatusEvent]] = defaultdict(list)
        for event in self.told:
            stories[event.birth].append(event)
        for story in stories.values():
            _check_story(story)
        self._check_all_told(stories)

    def _check_all_told(self, stories: dict[Birth, list[StatusEvent]]) -> None:
        by_task = Counter(story[0].key for story in stories.values())
        outcomes = {story[0].key: story[-1].outcome for story in stories.values()}
        for work in self.works:
            key = f"urn:vcloud:task:{work.name}".encode()
            assert by_task[key] <= 1, "one story a Task"
            if work.is_gone:
                assert key not in outcomes or outcomes[key] == "unknown"
            else:
                assert outcomes[key] == (work.ended_as if work.ended is not None else None)
        active = [work for work in self.works if work.ended is None and not work.is_gone]
        assert self.owned.sightings.count == len(active), "nothing is remembered for ever"
        assert self.owned.open_count == 1 + len(active)


def _check_story(story: list[StatusEvent]) -> None:
    assert [event.sequence for event in story] == list(range(1, len(story) + 1))
    assert [event.final for event in story[:-1]] == [False] * (len(story) - 1)
    statuses = [event.task.status or "" for event in story if event.task is not None]
    assert (known := [rank(status) for status in statuses]) == sorted(known, key=lambda one: one or 0)
    assert all(not is_final(status) for status in statuses[:-1])


DESK = ObservationDesk(AvroObservationCodec(), RULES, lambda: True)


def _play(seed: int, steps: int, rules: ObservationRules = RULES) -> Play:
    play = Play(Random(seed), rules)
    play.run(steps)
    return play


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_each_task_is_told_once(seed: int, steps: int) -> None:
    _play(seed, steps).check()


# --- tests of the tester ----------------------------------------------------------------------------------------------


def _breaks(rules: ObservationRules = RULES) -> bool:
    for seed in range(60):
        try:
            _play(seed, 60, rules).check()
        except (AssertionError, InvariantViolation):
            return True
    return False


def test_a_window_without_overlap_is_seen() -> None:
    assert _breaks(ObservationRules(overlap=timedelta()))


def test_a_floor_that_is_not_heeded_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observed, "is_past", lambda order, ended_at: False)
    assert _breaks()


def test_a_state_dropped_before_the_position_has_passed_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Sightings.past
    monkeypatch.setattr(Sightings, "past", lambda self, order, moment, most: real(self, order, NOW + 99 * HOUR, most))
    assert _breaks()


def test_an_end_that_is_told_without_being_kept_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observed, "keep", lambda story, ended_at: story.become(phase=Phase.ENDED))
    assert _breaks()
