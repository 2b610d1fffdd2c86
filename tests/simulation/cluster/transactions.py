"""The transaction coordinator: producer epochs, decisions, markers that are written behind the answer, time-outs.

As for clients without KIP-890, the epoch stays the same from one transaction to the next: an EndTxn that comes late
ends whatever its producer has open by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError

from bridge.core.coordinates import TopicPartition
from bridge.ports import OutRecord
from tests.simulation.cluster.errors import Refused
from tests.simulation.cluster.log import PartitionLog, State, Transaction

if TYPE_CHECKING:
    from tests.simulation.cluster.broker import SimKafka


@dataclass(slots=True)
class _Producer:
    """What is known of one transactional id. ``latest``: its transaction that is open, or was the last one."""

    epoch: int = -1
    timeout_seconds: float = 60.0
    latest: Transaction | None = None
    timer: asyncio.TimerHandle | None = None


class Transactions:
    """All calls happen at the broker and answer at once, or raise ``Refused`` with the code of the answer."""

    def __init__(self, cluster: SimKafka) -> None:
        self._cluster = cluster
        self._producers: dict[str, _Producer] = {}
        self.begun: list[Transaction] = []

    def init(self, owner: str, timeout_seconds: float) -> int:
        """InitProducerId: the producer's new epoch. What an earlier one left open is aborted first."""
        producer = self._producers.setdefault(owner, _Producer())
        producer.timeout_seconds = timeout_seconds
        latest = producer.latest
        if latest is not None and latest.state is State.OPEN:
            producer.epoch += 1  # fences the earlier producer before anything else
            self._decide(producer, latest, commits=False)
        if latest is not None and latest.state is State.PREPARED:
            raise Refused(KafkaError.CONCURRENT_TRANSACTIONS)
        producer.epoch += 1
        return producer.epoch

    def write(
        self, owner: str, epoch: int, batch: Iterable[tuple[PartitionLog, OutRecord]], added: set[object]
    ) -> None:
        """AddPartitionsToTxn where it is needed, and Produce. ``added``: what the client believes to be added."""
        producer = self._checked(owner, epoch)
        now_ms = self._cluster.now_ms()
        for log, record in batch:
            if log in added:
                transaction = producer.latest
                if transaction is None or transaction.state is not State.OPEN or log not in transaction.touched:
                    raise Refused(KafkaError.INVALID_TXN_STATE)
            else:
                transaction = self._open(owner, producer)
                added.add(log)
            transaction.touched[log] = None
            log.append(record, transaction, now_ms)

    def add_offsets(
        self, owner: str, epoch: int, group: str, offsets: Mapping[TopicPartition, tuple[int, str]],
        check: Callable[[], None],
    ) -> None:  # fmt: skip
        """AddOffsetsToTxn, then TxnOffsetCommit: the transaction is open also when ``check``, the group's, refuses."""
        transaction = self._open(owner, self._checked(owner, epoch))
        check()
        pending = self._cluster.group(group).offsets
        for partition, offset in offsets.items():
            transaction.offsets[group, partition] = offset
            pending.expect(partition, transaction)

    def end(self, owner: str, epoch: int, *, commits: bool) -> None:
        """EndTxn. Its answer comes before the markers are written."""
        producer = self._checked(owner, epoch, settled=False)
        latest = producer.latest
        if latest is None:
            raise Refused(KafkaError.INVALID_TXN_STATE)
        if latest.state is State.OPEN:
            self._decide(producer, latest, commits=commits)
        elif latest.commits != commits:
            raise Refused(KafkaError.INVALID_TXN_STATE)

    def _checked(self, owner: str, epoch: int, *, settled: bool = True) -> _Producer:
        producer = self._producers.get(owner)
        if producer is None:
            raise Refused(KafkaError.INVALID_PRODUCER_ID_MAPPING)
        if producer.epoch != epoch:
            raise Refused(KafkaError.PRODUCER_FENCED)
        if settled and producer.latest is not None and producer.latest.state is State.PREPARED:
            raise Refused(KafkaError.CONCURRENT_TRANSACTIONS)
        return producer

    def _open(self, owner: str, producer: _Producer) -> Transaction:
        latest = producer.latest
        if latest is not None and latest.state is State.OPEN:
            return latest
        began = self._cluster.now()
        transaction = producer.latest = Transaction(len(self.begun) + 1, owner, producer.epoch, began)
        self.begun.append(transaction)
        # The coordinator looks for transactions that are too old only now and then.
        late = self._cluster.random.uniform(0, self._cluster.timing.transaction_cleanup)
        producer.timer = self._cluster.later(
            producer.timeout_seconds + late, partial(self._time_out, producer, transaction)
        )
        return transaction

    def _time_out(self, producer: _Producer, transaction: Transaction) -> None:
        away = self._cluster.up_at("transactions") - self._cluster.now()
        if away > 0:
            producer.timer = self._cluster.later(away, partial(self._time_out, producer, transaction))
        elif transaction.state is State.OPEN:
            producer.epoch += 1
            self._decide(producer, transaction, commits=False)

    def _decide(self, producer: _Producer, transaction: Transaction, *, commits: bool) -> None:
        transaction.state, transaction.commits = State.PREPARED, commits
        transaction.decided = self._cluster.now()
        if producer.timer is not None:
            producer.timer.cancel()
        markers: list[Callable[[], None]] = [partial(self._mark, transaction, log) for log in transaction.touched]
        markers += [partial(self._settle, transaction, group) for group in {g: None for g, _ in transaction.offsets}]
        random = self._cluster.random
        together = random.random() < 0.7
        up_at = max(self._cluster.up_at("logs"), self._cluster.up_at("groups"))
        away = max(0.0, up_at - self._cluster.now())
        longest = self._cluster.timing.marker
        delay = away + random.uniform(0, longest)
        if together or not markers:
            self._cluster.later(delay, partial(self._write_markers, transaction, markers, len(markers)))
            return
        left = len(markers)
        delays = sorted(away + random.uniform(0, 2 * longest) for _ in markers)
        random.shuffle(markers)
        for marker, at in zip(markers, delays, strict=True):
            left -= 1
            self._cluster.later(at, partial(self._write_markers, transaction, [marker], 1 if left == 0 else 2))

    def _write_markers(self, transaction: Transaction, markers: list[Callable[[], None]], left: int) -> None:
        for marker in markers:
            marker()
        if left <= len(markers):
            transaction.state = State.COMMITTED if transaction.commits else State.ABORTED

    def _mark(self, transaction: Transaction, log: PartitionLog) -> None:
        log.mark(transaction, self._cluster.now_ms())

    def _settle(self, transaction: Transaction, group: str) -> None:
        mine = {partition: offset for (name, partition), offset in transaction.offsets.items() if name == group}
        self._cluster.group(group).offsets.settle(transaction, mine)
