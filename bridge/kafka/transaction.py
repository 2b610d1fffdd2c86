"""One Kafka transaction after the other, in the producer's own thread. All calls here block."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import TopicPartition as ClientPartition

from bridge.core.coordinates import TopicPartition
from bridge.errors import ConfigurationError
from bridge.kafka import tags
from bridge.kafka.config import KafkaConfig
from bridge.kafka.connection import MISSING, describe
from bridge.kafka.outcomes import Attempt, End, Failures, is_doubtful, is_permanent, refusals, unacknowledged
from bridge.kafka.producers import RECOVER_SECONDS, Producers
from bridge.kafka.producing import RecordWriter, reporting
from bridge.kafka.rights import DENIED, HINT
from bridge.ports import PartitionEntries

COMMIT_SECONDS = 30.0
"""How long a commit that times out is asked for again before the producer is replaced."""


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
    """Used in the journal's thread only, which opens and closes ``producers``.

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
        self._timeout = timeout = config.transaction_timeout_seconds
        self._step = step
        self._reach = reach
        self._trouble = trouble
        self._records = RecordWriter(transactional_id, store_topics, seconds=timeout, step=step)
        self.producers = Producers(config, transactional_id, limits, step=step)

    def attempt(self, work: Work) -> Attempt:
        """Begin, produce, flush, send offsets, commit; or abort."""
        producer = self.producers.usable()
        failures: Failures = []
        try:
            self._write(producer, work, failures)
        except KafkaException as error:
            return self._undo(producer, error.args[0], failures)
        except BaseException:
            self.producers.suspect()
            raise
        if failures:
            return self._undo(producer, self._cause(producer, work, failures), failures)
        if not work.still_owned():
            return self._undo(producer, None, failures)
        self._reach("offsets_sent")
        return self._commit(producer)

    def refusals(self, entries: Sequence[PartitionEntries]) -> dict[TopicPartition, str]:
        """Which of these partitions have records that cannot be written: each is tried alone, and undone.

        A broker refuses a whole batch, and with it records of partitions that are not to blame.
        """
        refused: dict[TopicPartition, str] = {}
        for one in entries:
            producer = self.producers.usable()
            failures: Failures = []
            try:
                self._produce_all(producer, [one], failures)
                error = None
            except KafkaException as raised:
                error = raised.args[0]
            refused |= self._undo(producer, error, failures).refused
        return refused

    def was_committed(self, partitions: Iterable[TopicPartition], tag: str) -> bool:
        """Whether the group's committed offsets carry ``tag``; to be asked after ``producers.replace``.

        Raises ProcessMustEnd when it cannot be told.
        """
        return tags.was_committed(self._config, partitions, tag, seconds=RECOVER_SECONDS, step=self._step)

    def _write(self, producer: Producer, work: Work, failures: Failures) -> None:
        self._produce_all(producer, work.entries, failures)
        if failures:
            return
        self._reach("records_produced")
        self._step("send_offsets_to_transaction")
        producer.send_offsets_to_transaction(work.offsets(), work.group_metadata, self._timeout)

    def _cause(self, producer: Producer, work: Work, failures: Failures) -> KafkaError | None:
        """Why records were purged: when the transaction itself fails, their reports do not say it, its next call does.

        Raises ConfigurationError for a right that is missing: no other record would be written either.
        """
        if any(is_permanent(error) for _, error in failures):
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

    def _produce_all(self, producer: Producer, written: Sequence[PartitionEntries], failures: Failures) -> None:
        self._step("begin_transaction")
        producer.begin_transaction()
        self._records.write(producer, written, failures)

    def _commit(self, producer: Producer) -> Attempt:
        deadline = time.monotonic() + COMMIT_SECONDS
        while True:
            self._step("commit_transaction")
            try:
                reporting(producer.commit_transaction, self._timeout)
                reporting(producer.poll, 0)
            except KafkaException as raised:
                error: KafkaError = raised.args[0]
                may_ask_again = error.retriable() and not error.fatal() and not error.txn_requires_abort()
                if may_ask_again and time.monotonic() < deadline:
                    self._trouble("kafka producer", f"commit: {describe(error)}; asking again")
                    continue
                self.producers.suspect()
                return Attempt(End.DOUBT, f"commit: {describe(error)}")
            self._reach("commit_answered")
            return Attempt(End.COMMITTED)

    def _undo(self, producer: Producer, error: KafkaError | None, failures: Failures) -> Attempt:
        detail = describe(error) if error is not None else ""
        input_missing = error is not None and error.code() in MISSING
        if error is None or not is_doubtful(error):
            detail = detail or "; ".join(describe(failed) for _, failed in failures[:1])
            try:
                self._step("abort_transaction")
                reporting(producer.abort_transaction, self._timeout)
                reporting(producer.poll, 0)
            except KafkaException as raised:
                error = raised.args[0]
            else:
                if failures:
                    # After a failed record librdkafka changes its epoch in the background and then purges what the next
                    # transaction has queued by then (measured).
                    self.producers.suspect()
                return Attempt(
                    End.ABORTED,
                    detail,
                    refusals(failures),
                    unacknowledged(error, failures),
                    input_missing=input_missing,
                )
        self.producers.suspect()
        return Attempt(End.DOUBT, describe(error), input_missing=input_missing)
