"""The bridge's own journal on a simulated Kafka whose requests come late: seldom seen, and never on demand."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from bridge.core.coordinates import TopicPartition
from bridge.kafka.config import KafkaConfig
from bridge.kafka.outcomes import End
from bridge.kafka.transaction import TransactionalWriter, Work
from bridge.ports import OutRecord, PartitionEntries
from tests.simulation.cluster.adapters import simulated_clients
from tests.simulation.cluster.broker import Fate, SimKafka
from tests.simulation.cluster.consumer import Consumer
from tests.simulation.loop import run_virtually
from tests.simulation.threads import Time, to_thread

INPUT, EVENTS = TopicPartition("input", 0), TopicPartition("events", 0)
LATER_THAN_LATE_SECONDS = 3.5


class Journal:
    """A transactional writer in a thread of virtual time. ``before_offsets`` runs when records have been acknowledged,
    ``before_commit`` when offsets have been sent."""

    def __init__(self, kafka: SimKafka) -> None:
        self.kafka = kafka
        self.before_offsets: Callable[[], None] = lambda: None
        self.before_commit: Callable[[], None] = lambda: None
        self._config = KafkaConfig(bootstrap_servers=kafka.address, group_id="group")
        self._writer = TransactionalWriter(
            self._config, "journal", {"events": 1_000_000}, frozenset(), step=lambda _: None, reach=self._reach,
            trouble=lambda *_: None,
        )  # fmt: skip
        self._writer.producers.open()

    def commit(self, offset: int, *, is_owner: bool = True) -> End:
        record = OutRecord("events", 0, None, str(offset).encode())
        entries = PartitionEntries(partition=INPUT, epoch=1, next_offset=offset, records=(record,))
        metadata = Consumer(self._config.consumer()).consumer_group_metadata()
        work = Work(
            entries=[entries], tag=f"tag:{offset}", group_metadata=metadata, still_owned=lambda: self._ask(is_owner)
        )
        return self._writer.attempt(work).end

    def _ask(self, is_owner: bool) -> bool:
        if not is_owner:
            self.before_commit()
        return is_owner

    def _reach(self, point: str) -> None:
        if point == "records_produced":
            self.before_offsets()
        if point == "offsets_sent":
            self.before_commit()

    def events(self) -> list[bytes | None]:
        Time.sleep(1)  # markers follow the answer
        return [entry.record.value for entry in self.kafka.visible(EVENTS) if entry.record is not None]


def _play(scenario: Callable[[SimKafka, Journal], None], seed: int) -> None:
    def begin() -> None:
        kafka = SimKafka(Random(seed), 1)
        scenario(kafka, Journal(kafka))
        kafka.close()

    async def main() -> None:
        await to_thread(begin)

    with simulated_clients(Random(seed)):
        run_virtually(main())


@pytest.mark.parametrize("seed", range(5))
def test_a_late_end_of_a_transaction_does_not_end_the_next(seed: int) -> None:
    def scenario(kafka: SimKafka, journal: Journal) -> None:
        kafka.befalls["transactions"] = [Fate.LATE]
        assert journal.commit(1) is End.COMMITTED
        journal.before_commit = lambda: Time.sleep(LATER_THAN_LATE_SECONDS)
        assert journal.commit(2, is_owner=False) is End.ABORTED
        assert journal.events() == [b"1"]
        assert kafka.committed == {INPUT: (1, "tag:1")}

    _play(scenario, seed)


@pytest.mark.parametrize("seed", range(5))
def test_offsets_that_come_late_do_not_replace_those_of_the_next_transaction(seed: int) -> None:
    """They would take the tag back too, by which a commit in doubt is settled: it would be done again."""

    def scenario(kafka: SimKafka, journal: Journal) -> None:
        kafka.befalls["groups"] = [Fate.LATE]
        assert journal.commit(1) is End.COMMITTED
        journal.before_commit = lambda: Time.sleep(LATER_THAN_LATE_SECONDS)
        assert journal.commit(2) is End.COMMITTED
        assert journal.events() == [b"1", b"2"]
        assert kafka.committed == {INPUT: (2, "tag:2")}

    _play(scenario, seed)


@pytest.mark.parametrize("seed", range(5))
def test_an_abort_that_comes_late_does_not_take_the_records_from_under_the_next_offsets(seed: int) -> None:
    """What the offsets say is done would be nowhere: a request would be lost."""

    def scenario(kafka: SimKafka, journal: Journal) -> None:
        kafka.befalls["transactions"] = [Fate.LATE]
        assert journal.commit(1, is_owner=False) is End.ABORTED
        journal.before_offsets = lambda: Time.sleep(LATER_THAN_LATE_SECONDS)
        assert journal.commit(2) is End.COMMITTED
        assert journal.events() == [b"2"]
        assert kafka.committed == {INPUT: (2, "tag:2")}

    _play(scenario, seed)


@pytest.mark.parametrize("seed", range(5))
def test_offsets_of_an_aborted_transaction_that_come_late_are_not_committed_by_the_next(seed: int) -> None:
    def scenario(kafka: SimKafka, journal: Journal) -> None:
        kafka.befalls["groups"] = [Fate.LATE]
        assert journal.commit(1, is_owner=False) is End.ABORTED
        journal.before_commit = lambda: Time.sleep(LATER_THAN_LATE_SECONDS)
        assert journal.commit(2) is End.COMMITTED
        assert journal.events() == [b"2"]
        assert kafka.committed == {INPUT: (2, "tag:2")}

    _play(scenario, seed)
