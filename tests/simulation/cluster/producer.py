"""A transactional producer as librdkafka's is, without KIP-890: its states, and which error makes which state."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Any, NoReturn

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as ClientPartition

from bridge.core.coordinates import TopicPartition
from bridge.kafka.membership import Identity
from bridge.ports import Headers, OutRecord
from tests.simulation.cluster import errors
from tests.simulation.cluster.client import Client, Settings
from tests.simulation.cluster.errors import Refused
from tests.simulation.cluster.log import PartitionLog
from tests.simulation.process import NoAnswer

Report = Callable[[KafkaError | None, Message], None]

_FENCED = frozenset(
    {
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.INVALID_PRODUCER_ID_MAPPING,
    }
)
_PATIENCE_FACTOR = 3.0
"""``send_offsets_to_transaction`` does not keep its time-out while brokers are away (measured: 24 s, asked 5 s)."""


class _State(Enum):
    NEW = auto()
    READY = auto()
    OPEN = auto()
    COMMITTING = auto()
    """The answer is outstanding: only the commit may be asked for again."""
    ABORTING = auto()
    MUST_ABORT = auto()
    FATAL = auto()


class Producer(Client):
    def __init__(
        self,
        settings: Settings,
        *,
        logger: logging.Logger | None = None,
        error_cb: Callable[[KafkaError], None] | None = None,
    ) -> None:
        super().__init__(settings, error_cb, logger)
        self._id: str = settings.get("transactional.id", "")
        self._transaction_seconds = float(settings.get("transaction.timeout.ms", 60_000)) / 1000
        self._largest = int(settings.get("message.max.bytes", 1_000_000))
        self._state = _State.READY if not self._id else _State.NEW
        self._error: KafkaException | None = None
        self._told_fatal = False
        self._epoch = -1
        self._queue: list[tuple[PartitionLog, OutRecord, Report | None]] = []
        self._reports: list[tuple[KafkaError, Report]] = []
        self._added: set[object] = set()
        self._has_offsets = False
        self._on_way: _Batch | None = None

    # --- the library's calls ------------------------------------------------------------------------------------------

    def init_transactions(self, timeout: float = -1) -> None:
        self._expect(_State.NEW, "init_transactions")
        self.wait("init_transactions", self._init(_seconds(timeout)))

    def begin_transaction(self) -> None:
        self._expect(_State.READY, "begin_transaction")
        self._state = _State.OPEN
        self._added = set()
        self._has_offsets = False

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int = -1,
        on_delivery: Report | None = None,
        headers: Iterable[tuple[str, Any]] = (),
    ) -> None:
        """Queued; it travels with ``flush`` or ``commit_transaction``."""
        if self._state is _State.FATAL:
            raise errors.fatal(KafkaError._FATAL, "the producer is fenced")
        if self._id and self._state is not _State.OPEN:
            raise errors.plain(KafkaError._STATE, f"no transaction to produce in: {self._state.name}")
        told: Headers = tuple((name, _bytes(text)) for name, text in headers)
        record = OutRecord(topic, None if partition < 0 else partition, _bytes(key), _bytes(value), told)
        if len(record.value or b"") + len(record.key or b"") > self._largest:
            raise errors.plain(KafkaError.MSG_SIZE_TOO_LARGE, "a record is too large")
        try:
            log = self.cluster.log(TopicPartition(topic, self.cluster.partition_for(record)))
        except Refused as refused:
            raise errors.plain(KafkaError._UNKNOWN_PARTITION, "no such partition") from refused
        self._queue.append((log, record, on_delivery))

    def poll(self, timeout: float = 0) -> int:
        self.serve()
        reports, self._reports = self._reports, []
        for error, report in reports:
            report(error, Message(error=error))
        self._raise_fatal_once()
        return len(reports)

    def flush(self, timeout: float = -1) -> int:
        self.wait("flush", self._flush(_seconds(timeout)))
        self.poll(0)
        return len(self._queue)

    def send_offsets_to_transaction(
        self, positions: Sequence[ClientPartition], group_metadata: object, timeout: float = -1
    ) -> None:
        self._expect(_State.OPEN, "send_offsets_to_transaction")
        sending = self._send_offsets(positions, group_metadata, _PATIENCE_FACTOR * _seconds(timeout))
        self.wait("send_offsets_to_transaction", sending)

    def commit_transaction(self, timeout: float = -1) -> None:
        if self._state is not _State.COMMITTING:
            self._expect(_State.OPEN, "commit_transaction")
        self.wait("commit_transaction", self._commit(_seconds(timeout)))

    def abort_transaction(self, timeout: float = -1) -> None:
        if self._state not in {_State.MUST_ABORT, _State.ABORTING}:
            self._expect(_State.OPEN, "abort_transaction")
        self.wait("abort_transaction", self._abort(_seconds(timeout)))

    # --- what they do -------------------------------------------------------------------------------------------------

    async def _init(self, seconds: float) -> None:
        init = partial(self.cluster.transactions.init, self._id, self._transaction_seconds)
        # The library's own timer looks for the coordinator at once or half a second later (measured).
        await asyncio.sleep(self.cluster.random.choice((0.05, 0.5)))
        self._epoch = await self._asked("init_transactions", init, seconds, again=0.2)
        self._state = _State.READY

    async def _flush(self, seconds: float) -> None:
        if not self._queue or self._state in {_State.FATAL, _State.MUST_ABORT}:
            return
        batch = list(self._queue)
        if self._on_way is None or len(self._on_way.records) != len(batch):
            self._on_way = _Batch([(log, record) for log, record, _ in batch], self._write)
        try:
            await self._asked("flush", self._on_way.take, seconds, part="logs")
        except KafkaException as raised:
            if raised.args[0].code() == KafkaError._TIMED_OUT:
                return  # they stay in the queue
            if not raised.args[0].fatal():  # otherwise all of the queue is purged already
                self._purge(batch)
        self._on_way = None
        self._queue = self._queue[len(batch) :]

    def _write(self, batch: Sequence[tuple[PartitionLog, OutRecord]]) -> None:
        if self._id:
            self.cluster.transactions.write(self._id, self._epoch, batch, self._added)
            return
        for log, record in batch:
            log.append(record, None, self.cluster.now_ms())

    async def _send_offsets(self, positions: Sequence[ClientPartition], group_metadata: object, seconds: float) -> None:
        await self._flush(seconds)
        group, who = _group(group_metadata), Identity.of(group_metadata)
        offsets = {TopicPartition(p.topic, p.partition): (p.offset, p.metadata or "") for p in positions}
        cluster = self.cluster
        if cluster.faults.undecided and cluster.random.random() < cluster.faults.undecided:
            self._fail(errors.must_abort(KafkaError.NOT_COORDINATOR, "the coordinator has moved"))

        def act() -> None:
            found = cluster.group(group)
            check = partial(found.check, who.member_id, who.epoch, offsets)
            cluster.transactions.add_offsets(self._id, self._epoch, group, offsets, check)

        self._has_offsets = True
        try:
            await self._asked("send_offsets_to_transaction", act, seconds, part="groups")
        except KafkaException as raised:
            if raised.args[0].code() != KafkaError._TIMED_OUT:
                raise
            self._fail(errors.must_abort(KafkaError._TIMED_OUT, "offsets were not taken in time"))

    async def _commit(self, seconds: float) -> None:
        if self._queue:
            await self._flush(seconds)
            if self._queue:
                raise errors.timed_out("Failed to flush all outstanding messages")
            if self._error is not None:
                raise self._error
        self._state = _State.COMMITTING
        if self._added or self._has_offsets:
            end = partial(self.cluster.transactions.end, self._id, self._epoch, commits=True)
            await self._asked("commit_transaction", end, seconds)
        self._state = _State.READY

    async def _abort(self, seconds: float) -> None:
        self._purge(self._queue)
        self._queue = []
        if self._on_way is not None:
            self._on_way.is_void, self._on_way = True, None
        self._state, self._error = _State.ABORTING, None
        if self._added or self._has_offsets:
            end = partial(self.cluster.transactions.end, self._id, self._epoch, commits=False)
            await self._asked("abort_transaction", end, seconds)
        self._state = _State.READY

    # --- answers ------------------------------------------------------------------------------------------------------

    async def _asked(
        self, what: str, act: Callable[[], Any], seconds: float, *, part: str = "transactions", again: float = 0.02
    ) -> Any:
        deadline = self.cluster.now() + seconds
        while True:
            try:
                return await self.ask(part, act, deadline - self.cluster.now())
            except NoAnswer:
                raise errors.timed_out(f"{what}: no answer in time") from None
            except Refused as refused:
                if refused.code != KafkaError.CONCURRENT_TRANSACTIONS:
                    self._refused(what, refused.code)
                if self.cluster.now() >= deadline:
                    raise errors.timed_out(f"{what}: another transaction is being ended") from None
            # Markers are being written, which is never told to the application: librdkafka 2.16 waits 20 ms each time.
            await asyncio.sleep(again)

    def _refused(self, what: str, code: int) -> NoReturn:
        if code in _FENCED:
            # A successor or a mere time-out: they cannot be told apart.
            self._fail(errors.fatal(KafkaError._FENCED, f"{what}: fenced"))
        if code == KafkaError.INVALID_TXN_STATE and what == "abort_transaction":
            self._fail(errors.fatal(code, f"{what}: the transaction has ended otherwise"))
        self._fail(errors.must_abort(code, f"{what}: refused"))

    def _fail(self, error: KafkaException) -> NoReturn:
        self._error = error
        self._state = _State.FATAL if error.args[0].fatal() else _State.MUST_ABORT
        if self._state is _State.FATAL:
            self._purge(self._queue)
            self._queue = []
        raise error

    def _expect(self, state: _State, what: str) -> None:
        if self._state is state:
            return
        if self._state in {_State.FATAL, _State.MUST_ABORT} and self._error is not None:
            raise self._error
        if self._state in {_State.COMMITTING, _State.ABORTING}:
            raise errors.conflict(f"{what}: {self._state.name.lower()} has to be asked for again")
        raise errors.plain(KafkaError._STATE, f"{what}: not in state {self._state.name}")

    def _purge(self, batch: Iterable[tuple[PartitionLog, OutRecord, Report | None]]) -> None:
        purged = KafkaError(KafkaError._PURGE_QUEUE, "purged")
        self._reports += [(purged, report) for _, _, report in batch if report is not None]

    def _raise_fatal_once(self) -> None:
        if self._state is _State.FATAL and self._error is not None and not self._told_fatal:
            self._told_fatal = True
            raise self._error


@dataclass(slots=True)
class _Batch:
    """Records on their way. Their sequence numbers have them taken once, however often they are sent, and never in a
    later transaction."""

    records: Sequence[tuple[PartitionLog, OutRecord]]
    write: Callable[[Sequence[tuple[PartitionLog, OutRecord]]], None]
    is_void: bool = False

    def take(self) -> None:
        if not self.is_void:
            self.write(self.records)
            self.is_void = True


def _group(group_metadata: object) -> str:
    assert isinstance(group_metadata, bytes)
    return group_metadata[11:].split(b"\0", 1)[0].decode()


def _bytes(text: Any) -> bytes | None:
    return text.encode() if isinstance(text, str) else text


def _seconds(timeout: float) -> float:
    return timeout if timeout >= 0 else 3600.0
