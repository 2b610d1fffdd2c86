"""The thread that owns the consumer: short polls, commands in, events out.

Every call of the consumer happens here, because the client serialises calls of other threads behind the poll in
flight (measured: a pause waited 2.5 s), and because ownership and group metadata must be read at one moment.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from bridge.core.coordinates import TopicPartition
from bridge.kafka.config import LOG, KafkaConfig, make
from bridge.kafka.consumer_errors import Troubles, is_fatal, is_position_lost
from bridge.kafka.hearing import Hearing
from bridge.kafka.membership import Membership
from bridge.kafka.messages import headers_of, partition_of
from bridge.kafka.reading import Reading
from bridge.kafka.rebalancing import Rebalancing
from bridge.kafka.watchdog import Watchdog
from bridge.ports import AtEnd, Delivery, InboxEvent, Records

BATCH = 500
"""Records per poll: some milliseconds of work, so that commands are not kept waiting."""
TICK_SECONDS = 0.005
"""Pause between polls that brought nothing; a command ends it at once."""
HELD_RECORDS = 5_000
HELD_BYTES = 32 * 1024 * 1024
"""What may wait in memory between this thread and the engine; beyond it nothing more is read."""
HUNG_SECONDS = 45.0
"""A single call of the consumer beyond this will not return any more."""

Post = Callable[[Sequence[InboxEvent], int, int], None]
"""Hands events over, with the number and the bytes of the records in them."""


class PollingThread:
    """Runs until ``stop``, or until something breaks it: then ``died`` is called with what it was."""

    def __init__(
        self,
        config: KafkaConfig,
        topics: Sequence[str],
        membership: Membership,
        *,
        post: Post,
        died: Callable[[BaseException | None], None],
        trouble: Callable[[str, str], None],
        on_hung: Callable[[str], None],
    ) -> None:
        self._topics = list(topics)
        self._membership = membership
        self._post = post
        self._died = died
        self._troubles = Troubles(trouble)
        self._renewed: dict[TopicPartition, int] = {}
        self._commands: deque[Callable[[], None]] = deque()
        self._wake = threading.Condition()
        self._stopping = False
        self._held_records = 0
        self._held_bytes = 0
        self._fatal: KafkaError | None = None
        self.last_progress = time.monotonic()
        """When the thread last went round its loop; for liveness."""
        self.hearing = hearing = Hearing(config.silence_seconds)
        self._consumer: Consumer = make(
            lambda settings: Consumer(settings, logger=LOG, error_cb=self._client_error),
            {**config.consumer(), "stats_cb": hearing.take},
        )
        self._reading = Reading(self._consumer, cooperative=config.is_cooperative)
        self._rebalancing = Rebalancing(
            config,
            self._consumer,
            membership,
            self._reading,
            emit=self._emit,
            serve=self._serve,
            wait=self._wait,
            trouble=trouble,
        )
        self._watchdog = Watchdog("kafka-polling", bound_seconds=HUNG_SECONDS, on_hung=on_hung)
        self._thread = threading.Thread(target=self._run, name="kafka-polling", daemon=True)

    def start(self) -> None:
        self._thread.start()

    # --- from other threads -------------------------------------------------------------------------------------------

    def submit(self, command: Callable[[], None]) -> None:
        """Have ``command`` run in the polling thread, soon, also while a handover waits."""
        with self._wake:
            self._commands.append(command)
            self._wake.notify()

    def taken(self, records: int, held_bytes: int) -> None:
        """The engine has taken records that were handed over."""
        with self._wake:
            self._held_records -= records
            self._held_bytes -= held_bytes

    # --- commands: in the polling thread only -------------------------------------------------------------------------

    def stop(self) -> None:
        self._stopping = True

    def group_metadata(self) -> object | None:
        """None while this process is not the member that its partitions were given to."""
        return self._rebalancing.group_metadata()

    def begin(self, partition: TopicPartition, epoch: int, offset: int) -> None:
        """Read ``partition`` from ``offset`` on."""
        if self._membership.owns(partition, epoch):
            self._reading.begin(partition, offset)

    def pause(self, partition: TopicPartition) -> None:
        self._reading.pause(partition)

    def resume(self, partition: TopicPartition) -> None:
        self._reading.resume(partition)

    def release(self, partitions: Iterable[TopicPartition]) -> None:
        self._rebalancing.release(partitions)

    def start_over(self, epochs: Mapping[TopicPartition, int]) -> None:
        """Assign partitions anew whose topics were made anew, when no handover is under way."""
        self._renewed.update(epochs)

    # --- the loop -----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        failure: BaseException | None = None
        try:
            changes = self._rebalancing
            self._consumer.subscribe(
                self._topics, on_assign=changes.on_assign, on_revoke=changes.on_revoke, on_lost=changes.on_lost
            )
            while not self._stopping and self._fatal is None:
                self._turn()
            self._rebalancing.leave(in_order=self._fatal is None)
            if self._fatal is not None:
                failure = KafkaException(self._fatal)
        except BaseException as error:  # noqa: BLE001  # whatever ends this thread has to end the process
            failure = error
        self._watchdog.close()
        if failure is None:
            failure = self._close()
        # Otherwise it is not closed: closing a fatally fenced member was seen to hang for good (measured).
        self._died(failure)

    def _close(self) -> BaseException | None:
        try:
            self._consumer.close()
        except Exception as error:  # noqa: BLE001  # told to the inbox, as everything that ends this thread
            return error
        return None

    def _turn(self) -> None:
        self._serve()
        if self._renewed:
            self._assign_renewed()
        if not self._may_read() and not self._rebalancing.may_wait_unseen:
            self._wait()
            return
        messages = self._consumer.consume(BATCH, 0)
        if len(messages) < BATCH:
            self._rebalancing.queue_seen_empty()
        if not messages:
            self._rebalancing.announce_idle_member()
            self._wait()
            return
        self._take(messages)

    def _assign_renewed(self) -> None:
        renewed, self._renewed = self._renewed, {}
        for partition, epoch in renewed.items():
            if self._membership.owns(partition, epoch):
                self._emit(list(self._rebalancing.start_over(partition)))

    def _serve(self) -> None:
        self.last_progress = time.monotonic()
        self._watchdog.begin("polling")
        for _ in range(len(self._commands)):
            self._commands.popleft()()

    def _wait(self) -> None:
        with self._wake:
            if not self._commands:
                self._wake.wait(TICK_SECONDS)

    def _may_read(self) -> bool:
        with self._wake:
            return self._held_records < HELD_RECORDS and self._held_bytes < HELD_BYTES

    # --- what the poll brought ----------------------------------------------------------------------------------------

    def _take(self, messages: Sequence[Message]) -> None:
        events: list[InboxEvent] = []
        deliveries: list[Delivery] = []
        held_bytes = 0
        for message in messages:
            error = message.error()
            if error is None:
                delivery = self._delivery(message)
                if delivery is not None:
                    deliveries.append(delivery)
                    held_bytes += len(message)
                continue
            if deliveries:
                events.append(Records(deliveries))
                deliveries = []
            events.extend(self._on_error(message, error))
        if deliveries:
            events.append(Records(deliveries))
        if events:
            self._emit(events, sum(len(e.deliveries) for e in events if isinstance(e, Records)), held_bytes)

    def _delivery(self, message: Message) -> Delivery | None:
        """None for what a former assignment left over in the client's queue."""
        partition, offset = partition_of(message), message.offset()
        epoch = self._membership.epoch(partition)
        if epoch is None or offset is None or not self._reading.take(partition, offset):
            return None
        return Delivery(
            partition=partition,
            epoch=epoch,
            offset=offset,
            key=message.key(),
            value=message.value(),
            headers=headers_of(message),
            timestamp_ms=message.timestamp()[1],
        )

    def _on_error(self, message: Message, error: KafkaError) -> Iterable[InboxEvent]:
        partition = partition_of(message)
        epoch = self._membership.epoch(partition)
        if error.code() == KafkaError._PARTITION_EOF:
            if epoch is not None and partition in self._reading:
                yield AtEnd(partition, epoch, message.offset() or 0)
        elif is_position_lost(error) and epoch is not None:
            self._troubles.tell(error, str(partition))
            yield from self._rebalancing.start_over(partition)
        elif is_fatal(error):
            self._fatal = error
        else:
            self._troubles.tell(error, str(partition) if partition.topic else "")

    def _client_error(self, error: KafkaError) -> None:
        if is_fatal(error):
            self._fatal = error
        else:
            self._troubles.tell(error)

    def _emit(self, events: Sequence[InboxEvent], records: int = 0, held_bytes: int = 0) -> None:
        with self._wake:
            self._held_records += records
            self._held_bytes += held_bytes
        self._post(events, records, held_bytes)
