"""One Kafka transaction after the other, in the producer's own thread. All calls here block.

librdkafka has no KIP-890: a late EndTxn of a former transaction can end the next one. So whenever an outcome is in
doubt, or a connection broke, the next one has a new producer: ``init_transactions`` makes late requests void.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka import TopicPartition as ClientPartition

from bridge.core.coordinates import TopicPartition
from bridge.errors import ConfigurationError, ProcessMustEnd
from bridge.kafka.config import LOG, ClientConfig, KafkaConfig, make
from bridge.kafka.connection import MISSING, describe, failure
from bridge.kafka.rights import DENIED, HINT
from bridge.ports import OutRecord, PartitionEntries

Result = TypeVar("Result")

COMMIT_SECONDS = 30.0
"""How long a commit that times out is asked for again before the producer is replaced."""
RECOVER_SECONDS = 120.0
"""How long a new producer and the committed offsets are waited for before the process gives up."""
WRITER_HEADER = "vb_writer"
"""Header of every store record: the transactional id that wrote it, so that the next owner can free what a dead owner
left open."""

_BY_KEY = -1
"""librdkafka's RD_KAFKA_PARTITION_UA: the partitioner decides."""

_PERMANENT = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.POLICY_VIOLATION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._INVALID_ARG,
    }
)
"""Failures of a record that trying again does not cure."""
_DOUBTFUL = frozenset(
    {
        KafkaError._FENCED,
        KafkaError._FATAL,
        KafkaError.INVALID_TXN_STATE,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.INVALID_PRODUCER_ID_MAPPING,
        KafkaError.PRODUCER_FENCED,
        KafkaError.UNKNOWN_PRODUCER_ID,
    }
)
"""Answers after which nothing this producer says can be believed; ``_FENCED`` also means a mere time-out (measured)."""


class End(Enum):
    """How a transaction ended, as far as its own producer can tell."""

    COMMITTED = auto()
    ABORTED = auto()
    DOUBT = auto()


@dataclass(frozen=True, slots=True)
class Attempt:
    """``refused``: partitions with records that no attempt will write, with the reason. ``stalled``: those with records
    that were not acknowledged in time. ``input_missing``: an offset is one of a topic that the broker does not know."""

    end: End
    detail: str = ""
    refused: Mapping[TopicPartition, str] = field(default_factory=dict)
    stalled: frozenset[TopicPartition] = frozenset()
    input_missing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one transaction is made of. ``still_owned`` is asked last, right before the commit."""

    entries: Sequence[PartitionEntries]
    tag: str
    group_metadata: object
    still_owned: Callable[[], bool]

    def offsets(self) -> list[ClientPartition]:
        """Offsets of every touched partition, tagged; without them the broker would fence nothing."""
        return [
            ClientPartition(e.partition.topic, e.partition.partition, e.next_offset, metadata=self.tag)
            for e in self.entries
        ]


class TransactionalWriter:
    """Owns the producer. Used in the journal's thread only.

    ``step`` is called before each blocking call with its name: the watchdog counts from there.
    """

    def __init__(
        self,
        config: KafkaConfig,
        transactional_id: str,
        limits: Mapping[str, int],
        store_topics: frozenset[str],
        *,
        step: Callable[[str], None],
        reach: Callable[[str], None],
        trouble: Callable[[str, str], None],
    ) -> None:
        self._config = config
        self._id = transactional_id
        self._settings = self._sized(limits)
        self._writer_header = (WRITER_HEADER, transactional_id.encode())
        self._store_topics = store_topics
        self._timeout = config.transaction_timeout_seconds
        self._step = step
        self._reach = reach
        self._trouble = trouble
        self._suspect = False
        self._log = _BrokenConnections()
        self._producer: Producer | None = None

    def open(self) -> None:
        """First producer; aborts whatever this transactional id left open. Raises TemporaryError or
        ConfigurationError."""
        made = self._renew(3 * self._timeout)
        if isinstance(made, KafkaError):
            raise failure("Kafka's transactions cannot be used", made)

    def attempt(self, work: Work) -> Attempt:
        """Begin, produce, flush, send offsets, commit; or abort."""
        producer = self._usable()
        failures: list[tuple[TopicPartition, KafkaError]] = []
        try:
            self._write(producer, work, failures)
        except KafkaException as error:
            return self._undo(producer, error.args[0], failures)
        except BaseException:
            self._suspect = True
            raise
        if failures:
            return self._undo(producer, self._cause(producer, work, failures), failures)
        if not work.still_owned():
            return self._undo(producer, None, failures)
        self._reach("offsets_sent")
        return self._commit(producer)

    def resize(self, limits: Mapping[str, int]) -> None:
        """The topics' limits have changed: the next transaction gets a producer made for them."""
        self._settings = self._sized(limits)
        self._suspect = True

    def refusals(self, entries: Sequence[PartitionEntries]) -> dict[TopicPartition, str]:
        """Which of these partitions have records that cannot be written: each is tried alone, and undone.

        A broker refuses a whole batch, and with it records of partitions that are not to blame.
        """
        refused: dict[TopicPartition, str] = {}
        for one in entries:
            producer = self._usable()
            failures: list[tuple[TopicPartition, KafkaError]] = []
            try:
                self._produce_all(producer, [one], failures)
                error = None
            except KafkaException as raised:
                error = raised.args[0]
            refused |= self._undo(producer, error, failures).refused
        return refused

    def replace(self) -> Producer:
        """A new producer under the same transactional id: what the old one left open is aborted, what it sent late is
        void. Raises ProcessMustEnd when Kafka does not come back."""
        made = self._renew(RECOVER_SECONDS)
        if isinstance(made, KafkaError):
            raise ProcessMustEnd(f"no transactional producer: {describe(made)}")
        return made

    def was_committed(self, partitions: Iterable[TopicPartition], tag: str) -> bool:
        """Whether the group's committed offsets carry ``tag``; to be asked after ``replace``.

        A transaction is atomic, so one partition with the tag is proof; another owner may have gone on with the others.
        Raises ProcessMustEnd when it cannot be told.
        """
        asked = [ClientPartition(p.topic, p.partition) for p in partitions]
        reader: Consumer = make(lambda settings: Consumer(settings, logger=LOG), self._config.reader())
        deadline = time.monotonic() + RECOVER_SECONDS
        while True:
            self._step("committed")
            try:
                found = reader.committed(asked, timeout=5.0)
                failed = next((p.error for p in found if p.error is not None), None)
                if failed is None:
                    let_go(reader)
                    return any(p.metadata == tag for p in found)
            except KafkaException as error:
                failed = error.args[0]
            # A time-out here means that offsets are pending: some transaction is still open.
            if time.monotonic() > deadline:
                raise ProcessMustEnd(f"the outcome of a commit cannot be learnt: {describe(failed)}")

    def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            let_go(producer)

    # --- one transaction ----------------------------------------------------------------------------------------------

    def _write(self, producer: Producer, work: Work, failures: list[tuple[TopicPartition, KafkaError]]) -> None:
        self._produce_all(producer, work.entries, failures)
        if failures:
            return
        self._reach("records_produced")
        self._step("send_offsets_to_transaction")
        producer.send_offsets_to_transaction(work.offsets(), work.group_metadata, self._timeout)

    def _cause(
        self, producer: Producer, work: Work, failures: Sequence[tuple[TopicPartition, KafkaError]]
    ) -> KafkaError | None:
        """Why records were purged: when the transaction itself fails, their reports do not say it, its next call does.

        Raises ConfigurationError for a right that is missing: no other record would be written either.
        """
        if any(error.code() in _PERMANENT for _, error in failures):
            return None
        try:
            self._step("send_offsets_to_transaction")
            producer.send_offsets_to_transaction(work.offsets(), work.group_metadata, self._timeout)
        except KafkaException as raised:
            error: KafkaError = raised.args[0]
            if error.code() in DENIED:
                raise ConfigurationError(f"Kafka does not let the bridge write: {describe(error)}", hint=HINT) from None
            return error
        return None

    def _produce_all(
        self,
        producer: Producer,
        written: Sequence[PartitionEntries],
        failures: list[tuple[TopicPartition, KafkaError]],
    ) -> None:
        self._step("begin_transaction")
        producer.begin_transaction()
        for entries in written:
            report = partial(_delivered, failures, entries.partition)
            for record in entries.records:
                try:
                    self._produce(producer, record, report)
                except KafkaException as error:
                    failures.append((entries.partition, error.args[0]))
                    return
        # Flushed first: AddOffsetsToTxn behind unfinished produce requests costs a back-off (measured).
        self._step("flush")
        deadline = time.monotonic() + self._timeout
        while _reporting(producer.flush, max(0.0, deadline - time.monotonic())) and not failures:
            if time.monotonic() >= deadline:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "records were not acknowledged in time"))

    def _produce(
        self, producer: Producer, record: OutRecord, report: Callable[[KafkaError | None, Message], None]
    ) -> None:
        headers: list[tuple[str, str | bytes | None]] = list(record.headers)
        if record.topic in self._store_topics:
            headers.append(self._writer_header)
        partition = _BY_KEY if record.partition is None else record.partition
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                producer.produce(record.topic, record.value, record.key, partition, headers=headers, on_delivery=report)
            except BufferError:
                if time.monotonic() > deadline:
                    raise KafkaException(KafkaError(KafkaError._QUEUE_FULL, "records are not taken")) from None
                _reporting(producer.poll, 0.05)
            else:
                return

    def _commit(self, producer: Producer) -> Attempt:
        deadline = time.monotonic() + COMMIT_SECONDS
        while True:
            self._step("commit_transaction")
            try:
                _reporting(producer.commit_transaction, self._timeout)
                _reporting(producer.poll, 0)
            except KafkaException as raised:
                error: KafkaError = raised.args[0]
                may_ask_again = error.retriable() and not error.fatal() and not error.txn_requires_abort()
                if may_ask_again and time.monotonic() < deadline:
                    self._trouble("kafka producer", f"commit: {describe(error)}; asking again")
                    continue
                self._suspect = True
                return Attempt(End.DOUBT, f"commit: {describe(error)}")
            self._reach("commit_answered")
            return Attempt(End.COMMITTED)

    def _undo(
        self, producer: Producer, error: KafkaError | None, failures: Sequence[tuple[TopicPartition, KafkaError]]
    ) -> Attempt:
        detail = describe(error) if error is not None else ""
        input_missing = error is not None and error.code() in MISSING
        if error is None or not (error.fatal() or error.code() in _DOUBTFUL):
            detail = detail or "; ".join(describe(failed) for _, failed in failures[:1])
            try:
                self._step("abort_transaction")
                _reporting(producer.abort_transaction, self._timeout)
                _reporting(producer.poll, 0)
            except KafkaException as raised:
                error = raised.args[0]
            else:
                # After a failed record librdkafka changes its epoch in the background and then purges what the next
                # transaction has queued by then (measured).
                self._suspect = self._suspect or bool(failures)
                return Attempt(
                    End.ABORTED,
                    detail,
                    _permanent(failures),
                    _unacknowledged(error, failures),
                    input_missing=input_missing,
                )
        self._suspect = True
        return Attempt(End.DOUBT, describe(error), input_missing=input_missing)

    # --- producers ----------------------------------------------------------------------------------------------------

    def _usable(self) -> Producer:
        """The producer for the next transaction.

        A request of a broken connection may still be on its way to the broker, and would end that transaction with its
        own outcome. An abort is the worst: what was produced is gone, and offsets sent after it are not.
        """
        producer = self._producer
        if producer is None or self._suspect or self._log.broken:
            return self.replace()
        return producer

    def _renew(self, seconds: float) -> Producer | KafkaError:
        """A producer ready for transactions, or why there is none."""
        self.close()
        deadline = time.monotonic() + seconds
        self._log = log = _BrokenConnections()
        producer: Producer = make(
            lambda settings: Producer(settings, logger=log, error_cb=_already_logged), self._settings
        )
        while True:
            self._step("init_transactions")
            try:
                producer.init_transactions(self._timeout)
                producer.poll(0)
            except KafkaException as raised:
                error: KafkaError = raised.args[0]
                if error.fatal() or not error.retriable() or time.monotonic() > deadline:
                    let_go(producer)
                    return error
            else:
                self._producer = producer
                self._suspect = False
                return producer

    def _sized(self, limits: Mapping[str, int]) -> ClientConfig:
        return self._config.producer(
            self._id, largest_record_bytes=max(limits.values()), batch_bytes=min(1_000_000, *limits.values())
        )


class _BrokenConnections:
    """The producer's logger, which alone is told of every connection that breaks: the error callback hears nothing of
    those that the other side closes (rdkafka_broker.c, rd_kafka_broker_conn_closed: logged as information; measured).

    The client repeats itself every 30 s at most, so a producer is replaced after the first one.
    """

    def __init__(self) -> None:
        self.broken = False

    def log(self, level: int, text: str, *arguments: object) -> None:
        """As ``logging.Logger.log``; ``arguments`` begin with the line's facility and end with what it says."""
        facility, told = str(arguments[:1]), str(arguments[-1:])
        # One that never came up has carried nothing: that a node is down must not cost each transaction a producer.
        self.broken = self.broken or ("FAIL" in facility and (" in state UP" in told or " in state " not in told))
        LOG.log(level, text, *arguments)


def _already_logged(error: KafkaError) -> None:
    """Without a callback the client would log its errors twice."""


def _reporting(call: Callable[..., Result], *arguments: float) -> Result:
    """A call of the client in which reports are delivered. Raises KafkaException.

    Where the call itself fails meanwhile, whatever a report's function does ends in a SystemError that is caused by the
    failure: such is a producer that was fenced with records on their way (measured on confluent-kafka 2.16.1).
    """
    try:
        return call(*arguments)
    except SystemError as error:
        if isinstance(error.__cause__, KafkaException):
            raise error.__cause__ from None
        raise


def _delivered(
    failures: list[tuple[TopicPartition, KafkaError]], partition: TopicPartition, error: KafkaError | None, _: Message
) -> None:
    # Nothing is asked of the error here: see ``_reporting``.
    if error is not None:
        failures.append((partition, error))


def _unacknowledged(
    error: KafkaError | None, failures: Sequence[tuple[TopicPartition, KafkaError]]
) -> frozenset[TopicPartition]:
    """Whose records were not acknowledged in time: they say so, or the abort that followed has purged them."""
    late = frozenset(partition for partition, failed in failures if failed.code() == KafkaError._MSG_TIMED_OUT)
    timed_out = error is not None and error.code() == KafkaError._TIMED_OUT
    return late or (frozenset(partition for partition, _ in failures) if timed_out else frozenset())


def _permanent(failures: Sequence[tuple[TopicPartition, KafkaError]]) -> dict[TopicPartition, str]:
    reasons: dict[TopicPartition, str] = {}
    for partition, error in failures:
        if error.code() in _PERMANENT:
            reasons.setdefault(partition, f"a record cannot be written: {describe(error)}")
    return reasons


def let_go(client: Producer | Consumer) -> None:
    """Destroy a client in a thread of its own: with its brokers gone that can block for minutes (measured)."""
    holder = [client]
    threading.Thread(target=holder.clear, name="kafka-let-go", daemon=True).start()
