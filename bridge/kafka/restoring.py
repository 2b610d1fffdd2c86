"""The thread that reads the store back: one warm read_committed reader for however many partitions at once.

A partition is read up to its end as it was *after* it became ours, past transactions that are still open: whatever the
former owner had its offsets accepted for was written before, so it is either seen or known to be undone.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from bridge.core.coordinates import TopicPartition
from bridge.errors import BridgeError, StoreConflict, TemporaryError
from bridge.kafka.config import LOG, KafkaConfig, make
from bridge.kafka.connection import Connection, describe
from bridge.kafka.fencing import Fence
from bridge.kafka.letting_go import let_go
from bridge.kafka.messages import headers_of, to_client
from bridge.kafka.queries import (
    ANSWER_SECONDS,
    high_watermarks,
    log_starts,
    readable_ranges,
    topic_facts,
    topic_setting,
)
from bridge.kafka.watchdog import Watchdog
from bridge.ports import RestoredPartition, StoredRecord

GRACE_SECONDS = 1.0
"""How long an open transaction is left to its owner. A live one commits within milliseconds and, after a clean
handover, has none open here at all; so what is open longer belongs to one that is dead or stopped."""
STALLED_SECONDS = 60.0
"""Without any progress for this long the store counts as unreadable: transaction time-out plus the broker's clean-up
interval (10 s by default) and a leader election fit in."""
HUNG_SECONDS = 120.0
"""One turn asks several questions of ten seconds at most each; beyond this one of them will not return any more."""
_RETRY_SECONDS = 0.3
_IDLE_SECONDS = 1.0
_BATCH = 2000
_COMPACT = "compact"
"""Nothing beside it: ``compact,delete`` throws old records away as well."""


@dataclass(slots=True)
class Log:
    """One store partition being read. ``latest_only``: compacted, of each key the latest value counts."""

    partition: TopicPartition
    latest_only: bool
    start: int = 0
    end: int = 0
    done: bool = False
    stuck_at: int = -1
    stuck_since: float = 0.0
    by_key: dict[bytes, StoredRecord] = field(default_factory=dict)
    removed_at: dict[bytes, int] = field(default_factory=dict)
    """Offset of the last tombstone by the kind of its key: what is behind the last ``|``."""
    all: list[StoredRecord] = field(default_factory=list)

    def take(self, message: Message) -> None:
        key, value, offset = message.key(), message.value(), message.offset() or 0
        if key is not None and value is not None:
            record = StoredRecord(key, value, headers_of(message), offset)
            if self.latest_only:
                self.by_key[key] = record
            else:
                self.all.append(record)
        elif key is not None and self.latest_only:
            self.by_key.pop(key, None)
            self.removed_at[key.rpartition(b"|")[2]] = offset
        self.reached(offset + 1)

    def reached(self, offset: int) -> None:
        self.done = self.done or offset >= self.end

    def stopped_at(self, offset: int) -> None:
        """The reader says that there is nothing more: below the end that means an open transaction."""
        self.reached(offset)
        if not self.done and self.stuck_at != offset:
            self.stuck_at, self.stuck_since = offset, time.monotonic()

    def records(self) -> Sequence[StoredRecord]:
        return list(self.by_key.values()) if self.latest_only else self.all


@dataclass(slots=True, eq=False)
class Restore:
    """One partition's restore. ``wanted`` is asked again and again; ``finish`` takes the result, or why not."""

    partition: TopicPartition
    changelog: Log
    ended: Log
    wanted: Callable[[], bool]
    finish: Callable[[RestoredPartition | None, BaseException | None], None]
    progress_at: float = 0.0
    started: bool = False
    topic_id: str = ""
    store_partitions: int = 0
    input_partitions: int = 0

    @property
    def logs(self) -> tuple[Log, Log]:
        return self.changelog, self.ended

    @property
    def is_read(self) -> bool:
        return self.started and self.changelog.done and self.ended.done


class RestoreThread:
    """Owns the reader. ``own_id``: the transactional id of this process, which is never fenced here."""

    def __init__(
        self,
        config: KafkaConfig,
        own_id: str,
        trouble: Callable[[str, str], None],
        on_hung: Callable[[str], None],
        reach: Callable[[str], None],
    ) -> None:
        self._config = config
        self._trouble = trouble
        self._reach = reach
        self._fence = Fence(config, own_id)
        self._connection: Connection | None = None
        self._embedded: bool | None = None
        self._reader: Consumer | None = None
        self._new: list[Restore] = []
        self._active: list[Restore] = []
        self._logs: dict[TopicPartition, tuple[Restore, Log]] = {}
        self._wake = threading.Condition()
        self._closed = False
        self._watchdog = Watchdog("kafka-store", bound_seconds=HUNG_SECONDS, on_hung=on_hung)
        self._thread = threading.Thread(target=self._run, name="kafka-store", daemon=True)
        self._thread.start()

    def submit(self, restore: Restore) -> None:
        restore.progress_at = time.monotonic()
        with self._wake:
            self._new.append(restore)
            self._wake.notify()

    def close(self) -> None:
        with self._wake:
            self._closed = True
            self._wake.notify()

    # --- the loop -----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closed:
            with self._wake:
                if not self._new and not self._active:
                    self._watchdog.rest()
                    self._wake.wait(_IDLE_SECONDS)
                self._active += self._new
                self._new = []
            self._watchdog.begin("a look at the store")
            try:
                self._turn()
            except KafkaException as error:
                self._trouble("kafka store", describe(error.args[0]))
                self._pause()
            except BridgeError as error:
                self._trouble("kafka store", error.message)
                self._pause()
            except BaseException as error:  # noqa: BLE001  # belongs to those who wait
                self._end(list(self._active), error)
            self._expire()
        self._watchdog.close()
        self._end([*self._active, *self._new], TemporaryError("the store is closed"))
        if self._reader is not None:
            let_go(self._reader)
            self._reader = None

    def _turn(self) -> None:
        self._drop([restore for restore in self._active if not restore.wanted()])
        if not self._active:
            if self._reader is not None:
                self._reader.poll(0)
            return
        self._start([restore for restore in self._active if not restore.started])
        self._read()
        self._free_stuck()
        self._complete([restore for restore in self._active if restore.is_read])

    def _pause(self) -> None:
        time.sleep(_RETRY_SECONDS)

    def _expire(self) -> None:
        now = time.monotonic()
        late = [restore for restore in self._active if now - restore.progress_at > STALLED_SECONDS]
        if late:
            names = ", ".join(str(restore.partition) for restore in late)
            self._end(late, TemporaryError(f"the store of {names} cannot be read to its end", hint="is Kafka healthy?"))

    # --- beginning ----------------------------------------------------------------------------------------------------

    def _start(self, restores: Sequence[Restore]) -> None:
        if not restores:
            return
        connection = self._connected()
        topics = {r.partition.topic for r in restores} | {log.partition.topic for r in restores for log in r.logs}
        facts = topic_facts(connection, topics, embedded=bool(self._embedded))

        def count(topic: str) -> int:
            return facts[topic].partitions if topic in facts else 0

        for restore in restores:
            restore.input_partitions = count(restore.partition.topic)
            restore.store_partitions = min(count(log.partition.topic) for log in restore.logs)
            if restore.partition.topic in facts:
                restore.topic_id = facts[restore.partition.topic].topic_id
        self._complete_without_store([r for r in restores if r.partition.partition >= r.store_partitions])
        there = self._not_thrown_away([r for r in restores if r.partition.partition < r.store_partitions])
        logs = [(restore, log) for restore in there for log in restore.logs]
        ends = high_watermarks(connection, [log.partition for _, log in logs])
        for _, log in logs:
            log.end = ends[log.partition]
        # Absolute offsets: having the client look up "the beginning" costs half a second where no leader is known yet.
        starts = log_starts(connection, ends)
        if logs:
            self._made_reader().incremental_assign([to_client(p, start) for p, start in starts.items()])
        for restore, log in logs:
            log.start = starts[log.partition]
            self._logs[log.partition] = (restore, log)
            restore.started = True
            restore.progress_at = time.monotonic()

    def _not_thrown_away(self, restores: Sequence[Restore]) -> Sequence[Restore]:
        """Ends those whose changelog loses records by age or size: open work would be forgotten in silence."""
        if self._embedded or not restores:
            return restores
        changelogs = {restore.changelog.partition.topic for restore in restores}
        policies = topic_setting(self._connected(), changelogs, "cleanup.policy")
        for restore in restores:
            policy = policies.get(restore.changelog.partition.topic, _COMPACT)
            if policy != _COMPACT:
                self._end([restore], _thrown_away(restore.changelog.partition, policy))
        return [restore for restore in restores if restore in self._active]

    def _connected(self) -> Connection:
        # Kept also when it gets no answer: on a slow network a client needs longer for its first than one look lasts.
        self._connection = self._connection or Connection(self._config)
        if self._embedded is None:
            self._embedded = self._connection.look().is_embedded
        return self._connection

    def _made_reader(self) -> Consumer:
        if self._reader is None:
            self._reader = make(lambda settings: Consumer(settings, logger=LOG), self._config.reader())
        return self._reader

    # --- reading ------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        if self._reader is None or not self._logs:
            return
        for message in self._reader.consume(_BATCH, 0.01):
            found = self._logs.get(TopicPartition(message.topic() or "", message.partition() or 0))
            if found is None:
                continue
            restore, log = found
            error = message.error()
            if error is None:
                log.take(message)
                self._reach("restoring")
            elif error.code() == KafkaError._PARTITION_EOF:
                log.stopped_at(message.offset() or 0)
            else:
                self._trouble("kafka store", f"{log.partition}: {describe(error)}")
                continue
            restore.progress_at = time.monotonic()

    def _free_stuck(self) -> None:
        """Open transactions of the dead hold up everything behind them."""
        for _, log in list(self._logs.values()):
            waited = time.monotonic() - log.stuck_since
            if log.done or log.stuck_at < 0 or waited < GRACE_SECONDS:
                continue
            log.stuck_since = time.monotonic()
            writer = self._fence.free(log.partition, log.stuck_at)
            if writer is not None:
                self._trouble(
                    "kafka store", f"{log.partition}: ended the transaction that {writer} left open at {log.stuck_at}"
                )

    # --- ending -------------------------------------------------------------------------------------------------------

    def _complete(self, restores: Sequence[Restore]) -> None:
        restores = self._not_cut(self._not_deleted(restores))
        if not restores:
            return
        inputs = [restore.partition for restore in restores]
        # Times out while offsets of an open transaction are pending: an old value is never shown (measured).
        committed = self._made_reader().committed([to_client(p) for p in inputs], timeout=ANSWER_SECONDS)
        failed = next((p.error for p in committed if p.error is not None), None)
        if failed is not None:
            raise KafkaException(failed)
        offsets = {TopicPartition(p.topic, p.partition): p.offset for p in committed}
        ranges = readable_ranges(self._connected(), inputs)
        for restore in restores:
            low, high = ranges[restore.partition]
            offset = offsets[restore.partition]
            self._finish(restore, committed=offset if offset >= 0 else None, low=low, high=high)

    def _not_deleted(self, restores: Sequence[Restore]) -> Sequence[Restore]:
        """Ends those whose input is gone: to be asked for its offsets would fail the question for all (measured)."""
        if not restores:
            return restores
        topics = {restore.partition.topic for restore in restores}
        facts = topic_facts(self._connected(), topics, embedded=bool(self._embedded))
        for restore in restores:
            if restore.partition.topic not in facts:
                self._end([restore], _deleted(restore.partition))
        return [restore for restore in restores if restore.partition.topic in facts]

    def _not_cut(self, restores: Sequence[Restore]) -> Sequence[Restore]:
        """Ends those whose changelog has lost records while it was read: what was read before is older than what was
        committed, and nothing that is left tells so. Compaction does not move a log's start."""
        if not restores:
            return restores
        logs = [restore.changelog for restore in restores]
        starts = log_starts(self._connected(), [log.partition for log in logs])
        for restore, log in zip(restores, logs, strict=True):
            if starts[log.partition] > log.start:
                self._end([restore], _cut(log.partition, starts[log.partition]))
        return [restore for restore in restores if restore in self._active]

    def _complete_without_store(self, restores: Sequence[Restore]) -> None:
        """The engine refuses such partitions, naming the counts."""
        for restore in restores:
            self._finish(restore, committed=None, low=0, high=0)

    def _finish(self, restore: Restore, *, committed: int | None, low: int, high: int) -> None:
        self._drop([restore])
        restored = RestoredPartition(
            changelog=restore.changelog.records(),
            ended=restore.ended.records(),
            committed=committed,
            low=low,
            high=high,
            topic_id=restore.topic_id,
            store_partitions=restore.store_partitions,
            input_partitions=restore.input_partitions,
            removed_at=restore.changelog.removed_at,
        )
        restore.finish(restored, None)

    def _end(self, restores: Iterable[Restore], error: BaseException) -> None:
        for restore in list(restores):
            self._drop([restore], tell=False)
            restore.finish(None, error)

    def _drop(self, restores: Sequence[Restore], *, tell: bool = True) -> None:
        """Stop reading for these; those that are not wanted any more are told so."""
        gone = [log.partition for restore in restores for log in restore.logs if self._logs.pop(log.partition, None)]
        self._active = [restore for restore in self._active if restore not in restores]
        if gone and self._reader is not None:
            # Failing to stop reading harms nobody: what is not known here any more is skipped.
            with contextlib.suppress(KafkaException):
                self._reader.incremental_unassign([to_client(partition) for partition in gone])
        for restore in restores:
            if tell and not restore.wanted():
                restore.finish(None, None)


def _thrown_away(changelog: TopicPartition, policy: str) -> StoreConflict:
    return StoreConflict(
        f"{changelog}: the topic has cleanup.policy={policy}, so requests that are still open would be deleted from it",
        hint="run `vcd-bridge topics apply`, which makes it compact; it is looked at again without a restart",
    )


def _cut(changelog: TopicPartition, start: int) -> StoreConflict:
    return StoreConflict(
        f"{changelog}: its records below {start} were deleted while it was read",
        hint="it is looked at again without a restart; what is missing then is named",
    )


def _deleted(partition: TopicPartition) -> StoreConflict:
    """The group takes the partition back once its leader has noticed; the other inputs do not wait for that."""
    return StoreConflict(
        f"{partition}: there is no topic {partition.topic} any more",
        hint="if it is made again, use a new group_id: offsets of the old topic mean nothing in the new one",
    )
