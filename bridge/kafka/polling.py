"""The thread that owns the consumer: short polls, commands in, events out.

Every call of the consumer happens here, because the client serialises calls of other threads behind the poll in
flight (measured: a pause waited 2.5 s), and because ownership and group metadata must be read at one moment.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as ClientPartition

from bridge.core.coordinates import TopicPartition
from bridge.kafka.config import LOG, KafkaConfig, make
from bridge.kafka.connection import describe
from bridge.kafka.hearing import Hearing
from bridge.kafka.membership import Identity, Membership
from bridge.kafka.watchdog import Watchdog
from bridge.ports import Assigned, AtEnd, Delivery, InboxEvent, Lost, Records, Revoking

BATCH = 500
"""Records per poll: some milliseconds of work, so that commands are not kept waiting."""
TICK_SECONDS = 0.005
"""Pause between polls that brought nothing; a command ends it at once."""
HANDOVER_SECONDS = 20.0
"""Longest wait for ``release``. It delays the whole group's rebalance; it stays far below max.poll.interval.ms."""
HELD_RECORDS = 5_000
HELD_BYTES = 32 * 1024 * 1024
"""What may wait in memory between this thread and the engine; beyond it nothing more is read."""
HUNG_SECONDS = 45.0
"""A single call of the consumer beyond this will not return any more."""
_REPEAT_SECONDS = 30.0
_NO_ASSIGNMENT_SECONDS = 2.0
"""A member that has an epoch and after this no partition gets none for now: partitions come with heartbeats."""
_POSITION_LOST = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._LOG_TRUNCATION})

_NO_MEMBER = b"none"
"""In the place of group metadata: there is none."""

_HOPELESS = frozenset(
    {
        KafkaError.INVALID_SESSION_TIMEOUT,
        KafkaError.INCONSISTENT_GROUP_PROTOCOL,
        KafkaError.INVALID_GROUP_ID,
        KafkaError.UNSUPPORTED_ASSIGNOR,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
    }
)
"""The client would go on asking to join for ever."""

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
        self._config = config
        self._topics = list(topics)
        self._membership = membership
        self._post = post
        self._died = died
        self._trouble = trouble
        self._told: dict[tuple[int, str], float] = {}
        self._commands: deque[Callable[[], None]] = deque()
        self._wake = threading.Condition()
        self._stopping = False
        self._unreleased: set[TopicPartition] = set()
        self._begun: dict[TopicPartition, int] = {}
        """Next offset wanted, for partitions that are being read."""
        self._held_records = 0
        self._held_bytes = 0
        self._joined = False
        self._member_id = ""
        """The member that the partitions were given to; empty before the first assignment."""
        self._metadata_before: object | None = None
        """Group metadata of before ``_stop_unasked``, for as long as that may have answered a rebalance unseen."""
        self._idle_since: float | None = None
        self._fatal: KafkaError | None = None
        self.last_progress = time.monotonic()
        """When the thread last went round its loop; for liveness."""
        self.hearing = hearing = Hearing(config.session_timeout_seconds)
        self._consumer: Consumer = make(
            lambda settings: Consumer(settings, logger=LOG, error_cb=self._client_error),
            {**config.consumer(), "stats_cb": hearing.take},
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
        """None while this process is not the member that its partitions were given to.

        No member at all: the broker would let its offsets through. Another member than it was: it has been out of its
        group, and what it had may have had other owners since; see ``_on_assign``. (Both measured.)
        """
        metadata: object = self._metadata_before or self._consumer.consumer_group_metadata()
        member_id = Identity.of(metadata).member_id
        return metadata if member_id and member_id == self._member_id else None

    def begin(self, partition: TopicPartition, epoch: int, offset: int) -> None:
        """Read ``partition`` from ``offset`` on."""
        if not self._membership.owns(partition, epoch):
            return
        if self._config.is_cooperative:
            self._stop_reading([partition])
            self._consumer.incremental_assign([_client(partition, offset)])
            self._begun[partition] = offset
        else:
            self._begun[partition] = offset
            self._consumer.assign([_client(one, position) for one, position in self._begun.items()])

    def pause(self, partition: TopicPartition) -> None:
        if partition in self._begun:
            self._consumer.pause([_client(partition)])

    def resume(self, partition: TopicPartition) -> None:
        if partition in self._begun:
            self._consumer.resume([_client(partition)])
            # A resume alone does not wake the client's fetching thread, which may sleep for a second; a seek does.
            with contextlib.suppress(KafkaException):
                self._consumer.seek(_client(partition, self._begun[partition]))

    def release(self, partitions: Iterable[TopicPartition]) -> None:
        self._unreleased.difference_update(partitions)

    # --- the loop -----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        failure: BaseException | None = None
        try:
            self._consumer.subscribe(
                self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
            while not self._stopping and self._fatal is None:
                self._turn()
            self._leave()
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
        if not self._may_read() and self._metadata_before is None:
            self._wait(TICK_SECONDS)
            return
        messages = self._consumer.consume(BATCH, 0)
        if len(messages) < BATCH:
            # The client's queue is empty: every rebalance that was in it has been served.
            self._metadata_before = None
        if not messages:
            self._announce_idle_member()
            self._wait(TICK_SECONDS)
            return
        self._take(messages)

    def _serve(self) -> None:
        self.last_progress = time.monotonic()
        self._watchdog.begin("polling")
        for _ in range(len(self._commands)):
            self._commands.popleft()()

    def _wait(self, seconds: float) -> None:
        with self._wake:
            if not self._commands:
                self._wake.wait(seconds)

    def _may_read(self) -> bool:
        with self._wake:
            return self._held_records < HELD_RECORDS and self._held_bytes < HELD_BYTES

    def _announce_idle_member(self) -> None:
        """A KIP-848 member that gets no partition is never called back; the engine must learn that it has joined."""
        if self._joined or not self._config.uses_kip_848:
            return
        if self._idle_since is None:
            if self._identity().epoch > 0:
                self._idle_since = time.monotonic()
        elif time.monotonic() - self._idle_since > _NO_ASSIGNMENT_SECONDS:
            self._joined = True
            self._emit([Assigned({})])

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
        partition = _partition_of(message)
        offset = message.offset()
        epoch = self._membership.epoch(partition)
        wanted = self._begun.get(partition)
        if epoch is None or wanted is None or offset is None or offset < wanted:
            return None
        self._begun[partition] = offset + 1
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
        partition = _partition_of(message)
        epoch = self._membership.epoch(partition)
        if error.code() == KafkaError._PARTITION_EOF:
            if epoch is not None and partition in self._begun:
                yield AtEnd(partition, epoch, message.offset() or 0)
        elif error.code() in _POSITION_LOST and epoch is not None:
            # Retention overtook us, or the log was cut: assign it anew, so that cursor and topic are compared again.
            self._tell(error, str(partition))
            self._stop_unasked(partition)
            self._membership.drop([partition], lost=True)
            yield Lost(frozenset({partition}))
            yield Assigned(self._membership.grant([partition]))
        elif _is_fatal(error):
            self._fatal = error
        else:
            self._tell(error, str(partition) if partition.topic else "")

    def _client_error(self, error: KafkaError) -> None:
        if _is_fatal(error):
            self._fatal = error
        else:
            self._tell(error, "")

    def _tell(self, error: KafkaError, where: str) -> None:
        """The client repeats itself as long as a trouble lasts."""
        now = time.monotonic()
        key = (error.code(), where)
        if now - self._told.get(key, -_REPEAT_SECONDS) >= _REPEAT_SECONDS:
            self._told[key] = now
            self._trouble("kafka consumer", f"{where}: {describe(error)}" if where else describe(error))

    def _emit(self, events: Sequence[InboxEvent], records: int = 0, held_bytes: int = 0) -> None:
        with self._wake:
            self._held_records += records
            self._held_bytes += held_bytes
        self._post(events, records, held_bytes)

    # --- rebalances: called by the client inside consume and close ----------------------------------------------------

    def _on_assign(self, consumer: Consumer, partitions: list[ClientPartition]) -> None:
        # The group is told that the assignment is taken; the client gets a partition only when it is begun, at the
        # offset that the store says. Every logical offset (end, beginning, committed) would be looked up by the client
        # in the background, and an answer that comes after a seek makes it look up again and jump there: records in
        # between were never delivered (seen under KIP-848; rdkafka_partition.c, "outdated offset response").
        stale = self._lose_what_another_member_had()
        if self._config.is_cooperative:
            consumer.incremental_assign([])
        else:
            self._begun.clear()
            consumer.assign([])
        self._joined = True
        self._emit([Assigned(self._membership.grant([*stale, *_ours(partitions)]))])

    def _lose_what_another_member_had(self) -> frozenset[TopicPartition]:
        """A static member whose session ended while it was about to join again (its JoinGroup held up on its way, or it
        stood still) is told so by UNKNOWN_MEMBER_ID and then let in at once as a new member. The client does not take
        that for a loss: no callback says it, what the new assignment still holds is kept, what it does not is revoked
        as in a clean handover, and the new member's metadata passes the broker's fence, although others owned all of it
        meanwhile (measured on librdkafka 2.16.0, classic protocol: offsets went backwards). Members without an instance
        id are sent back once more for an id, and there the client calls it a loss; a KIP-848 member keeps its id, but
        joins again only after the loss was served here (measured: commits refused for as long as it was not).
        """
        member_id = self._identity().member_id
        stale = frozenset(self._membership.owned()) if member_id != self._member_id else frozenset[TopicPartition]()
        self._member_id = member_id
        if stale:
            self._stop_reading(stale)
            self._membership.drop(stale, lost=True)
            self._emit([Lost(stale)])
        return stale

    def _identity(self) -> Identity:
        return Identity.of(self._consumer.consumer_group_metadata())

    def _on_revoke(self, consumer: Consumer, partitions: list[ClientPartition]) -> None:
        if self._metadata_before is not None or self._identity().member_id != self._member_id:
            self._on_lost(consumer, partitions)
            return
        going = frozenset(p for p in _ours(partitions) if self._membership.epoch(p) is not None)
        self._hand_over(going)
        self._unassign(consumer, _ours(partitions))

    def _on_lost(self, consumer: Consumer, partitions: list[ClientPartition]) -> None:
        gone = self._membership.drop(_ours(partitions), lost=True)
        if gone:
            self._emit([Lost(gone)])
            self._joined, self._idle_since = False, None
        self._unassign(consumer, _ours(partitions))

    def _unassign(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        if not self._config.is_cooperative:
            self._begun.clear()
            consumer.unassign()
        elif not self._stop_reading(partitions):
            consumer.incremental_unassign([])

    def _stop_reading(self, partitions: Iterable[TopicPartition]) -> bool:
        """Take begun partitions away from the client; False when none of them was."""
        begun = [partition for partition in partitions if self._begun.pop(partition, None) is not None]
        if begun and self._config.is_cooperative:
            self._consumer.incremental_unassign([_client(partition) for partition in begun])
        elif begun:
            self._consumer.assign([_client(one, position) for one, position in self._begun.items()])
        return bool(begun)

    def _stop_unasked(self, partition: TopicPartition) -> None:
        """Take a partition away from the client outside a rebalance.

        The client takes that for the answer to a rebalance that still waits in its queue, also to a loss: it joins
        again before the loss is served here, and calls it a revoke when it comes. A classic member has another id then.
        A KIP-848 member keeps its id, and its new epoch passes the broker's fence (measured on librdkafka 2.16.0: a
        stale transaction was committed). So until its queue was seen empty only the metadata of before is used, which
        no broker takes after a loss, and a revoke is a loss.
        """
        if self._config.uses_kip_848 and self._metadata_before is None:
            self._metadata_before = self._consumer.consumer_group_metadata() or _NO_MEMBER
        self._stop_reading([partition])

    def _hand_over(self, going: frozenset[TopicPartition]) -> None:
        """Keep serving commands, the journal's snapshot among them, until the engine lets go or time is up."""
        if not going:
            return
        self._unreleased = set(going)
        self._emit([Revoking(going)])
        deadline = time.monotonic() + HANDOVER_SECONDS
        while self._unreleased and time.monotonic() < deadline:
            self._serve()
            if self._unreleased:
                self._wait(TICK_SECONDS)
        late = frozenset(self._unreleased)
        self._unreleased = set()
        self._membership.drop(going - late, lost=False)
        if late:
            self._membership.drop(late, lost=True)
            self._trouble("kafka consumer", f"handover of {', '.join(map(str, sorted(late)))} was not finished in time")
            self._emit([Lost(late)])
            self._joined, self._idle_since = False, None

    def _leave(self) -> None:
        if self._fatal is not None:
            gone = self._membership.drop(self._membership.owned(), lost=True)
            if gone:
                self._emit([Lost(gone)])
            return
        self._hand_over(frozenset(self._membership.owned()))


def headers_of(message: Message) -> tuple[tuple[str, bytes | None], ...]:
    """Headers as the ports have them; the raw client hands out bytes only."""
    found = message.headers()
    if not found:
        return ()
    pairs = found.items() if isinstance(found, dict) else found
    return tuple((name, value.encode() if isinstance(value, str) else value) for name, value in pairs)


def _is_fatal(error: KafkaError) -> bool:
    """The error inside a message has the code ``_FATAL`` without the flag (measured)."""
    return error.fatal() or error.code() == KafkaError._FATAL or error.code() in _HOPELESS


def _partition_of(message: Message) -> TopicPartition:
    return TopicPartition(message.topic() or "", message.partition() or 0)


def _client(partition: TopicPartition, offset: int = OFFSET_INVALID) -> ClientPartition:
    return ClientPartition(partition.topic, partition.partition, offset)


def _ours(partitions: Iterable[ClientPartition]) -> list[TopicPartition]:
    return [TopicPartition(partition.topic, partition.partition) for partition in partitions]
