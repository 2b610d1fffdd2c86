"""The inbox: the engine's side of the polling thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException

from bridge.core.coordinates import TopicPartition
from bridge.errors import BridgeError, ConfigurationError, ProcessMustEnd
from bridge.kafka.config import KafkaConfig
from bridge.kafka.connection import Connection, describe, require_topics
from bridge.kafka.looking_after import LookingAfter
from bridge.kafka.membership import Membership, Snapshot
from bridge.kafka.polling import PollingThread
from bridge.kafka.rebalancing import HANDOVER_SECONDS
from bridge.ports import InboxEvent

CLOSE_SECONDS = HANDOVER_SECONDS + 10.0

_HINTS: dict[int, str] = {
    KafkaError.INVALID_SESSION_TIMEOUT: "kafka.session_timeout_seconds must be within the broker's group.min and"
    " group.max.session.timeout.ms",
    KafkaError.INVALID_GROUP_ID: "see kafka.group_id",
    KafkaError.UNSUPPORTED_ASSIGNOR: "see group.remote.assignor in kafka.properties",
    KafkaError.UNSUPPORTED_VERSION: "the brokers do not know what kafka.properties ask for, e.g. group.protocol",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "the bridge needs Read on its group",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "the bridge needs Read on its inputs",
}
"""What is wrong with the settings when the cluster does not take this member."""


@dataclass(frozen=True, slots=True)
class _Posted:
    event: InboxEvent
    records: int
    held_bytes: int


class KafkaInbox:
    """Implements ``bridge.ports.Inbox``; also tells the journal and the store what is owned.

    ``trouble(where, message)`` is told of what the client recovers from by itself; ``on_hung(message)`` ends the
    process when a call of the consumer hangs; ``reach`` is the crash points' function. All are called from other
    threads.
    """

    def __init__(
        self,
        config: KafkaConfig,
        topics: Sequence[str],
        *,
        trouble: Callable[[str, str], None],
        on_hung: Callable[[str], None] = lambda message: None,
        reach: Callable[[str], None] = lambda point: None,
    ) -> None:
        self._config = config
        self._topics = list(topics)
        self._trouble = trouble
        self._on_hung = on_hung
        self._reach = reach
        self.membership = Membership()
        self._events: deque[_Posted] = deque()
        self._arrived = asyncio.Event()
        self._ended = asyncio.Event()
        self._failure: BaseException | None = None
        self._thread: PollingThread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked: set[asyncio.Future[Snapshot]] = set()
        self._looking_after: LookingAfter | None = None

    async def open(self) -> None:
        """Subscribe. Raises TemporaryError or ConfigurationError."""
        self._loop = asyncio.get_running_loop()
        cluster = await asyncio.to_thread(lambda: Connection(self._config).look())
        require_topics(cluster, self._topics)
        self._thread = PollingThread(
            self._config,
            self._topics,
            self.membership,
            post=self._post,
            died=self._thread_died,
            trouble=self._trouble,
            on_hung=self._on_hung,
        )
        self._thread.start()
        self._looking_after = LookingAfter(
            self._config,
            self.membership,
            self._thread.hearing,
            renewed=lambda epochs: self._submit(lambda thread: thread.start_over(epochs)),
            trouble=self._trouble,
            on_hung=self._on_hung,
        )
        self._looking_after.start()

    async def next(self) -> InboxEvent:
        """The next event, in the order the polling thread saw them.

        Raises ProcessMustEnd when the thread died, ConfigurationError when the cluster does not take this member.
        """
        while not self._events:
            if self._failure is not None:
                raise self._must_end()
            self._arrived.clear()
            await self._arrived.wait()
        posted = self._events.popleft()
        if posted.records and self._thread is not None:
            self._thread.taken(posted.records, posted.held_bytes)
        return posted.event

    def begin(self, partition: TopicPartition, epoch: int, offset: int) -> None:
        """Start reading an assigned partition at ``offset``. A stale epoch is ignored."""
        self._submit(lambda thread: thread.begin(partition, epoch, offset))

    def pause(self, partition: TopicPartition) -> None:
        self._submit(lambda thread: thread.pause(partition))

    def resume(self, partition: TopicPartition) -> None:
        self._submit(lambda thread: thread.resume(partition))

    def release(self, partitions: frozenset[TopicPartition]) -> None:
        """Ends a ``Revoking``: nothing of these partitions is open or in flight any more."""
        self._submit(lambda thread: thread.release(partitions))

    async def snapshot(self) -> Snapshot:
        """Owned epochs and group metadata, read together in the polling thread. Raises ProcessMustEnd."""
        loop = asyncio.get_running_loop()
        if self._failure is not None:
            raise self._must_end()
        if self._thread is None or self._ended.is_set():
            return self.membership.snapshot(None)
        answer: asyncio.Future[Snapshot] = loop.create_future()
        self._asked.add(answer)
        answer.add_done_callback(self._asked.discard)

        def take(thread: PollingThread) -> None:
            taken = self.membership.snapshot(thread.group_metadata())
            self._hop(lambda: _answer(answer, taken))

        self._submit(take)
        return await answer

    @property
    def last_progress(self) -> float:
        """Monotonic time at which the polling thread last went round; 0 before ``open``."""
        return self._thread.last_progress if self._thread is not None else 0.0

    @property
    def is_silent(self) -> bool:
        """Kafka has not been heard for longer than a session lasts."""
        return self._thread is not None and self._thread.hearing.is_silent

    async def close(self) -> None:
        """Leave the group. ``next`` still delivers the ``Revoking`` this causes, so keep reading until it returns."""
        if self._thread is None:
            return
        if self._looking_after is not None:
            self._looking_after.close()
        self._submit(lambda thread: thread.stop())
        try:
            await asyncio.wait_for(self._ended.wait(), CLOSE_SECONDS)
        except TimeoutError:
            self._trouble("kafka consumer", "did not leave its group in time; its session will end by itself")

    # --- between the threads ------------------------------------------------------------------------------------------

    def _submit(self, command: Callable[[PollingThread], None]) -> None:
        thread = self._thread
        if thread is not None:
            thread.submit(lambda: command(thread))

    def _post(self, events: Sequence[InboxEvent], records: int, held_bytes: int) -> None:
        """In the polling thread: one hop per batch."""
        if records:
            self._reach("polled")
        posted = [_Posted(event, 0, 0) for event in events]
        posted[-1] = _Posted(events[-1], records, held_bytes)
        self._hop(lambda: self._arrive(posted))

    def _arrive(self, posted: Iterable[_Posted]) -> None:
        self._events.extend(posted)
        self._arrived.set()

    def _thread_died(self, failure: BaseException | None) -> None:
        self._hop(lambda: self._end(failure))

    def _end(self, failure: BaseException | None) -> None:
        self._failure = failure
        self._ended.set()
        self._arrived.set()
        for answer in list(self._asked):
            if failure is None:
                _answer(answer, self.membership.snapshot(None))
            elif not answer.done():
                answer.set_exception(self._must_end())

    def _hop(self, call: Callable[[], None]) -> None:
        if self._loop is not None:
            # A loop that is closed has nobody left to tell.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(call)

    def _must_end(self) -> BridgeError:
        failure = self._failure
        if not isinstance(failure, KafkaException):
            return ProcessMustEnd(f"the consumer's polling thread ended: {failure!r}")
        error: KafkaError = failure.args[0]
        what = f"group {self._config.group_id}"
        hint = _HINTS.get(error.code())
        if hint is None:
            return ProcessMustEnd(f"{what}: {describe(error)}")
        return ConfigurationError(f"{what}: {describe(error)}", hint=hint)


def _answer(future: asyncio.Future[Snapshot], value: Snapshot) -> None:
    if not future.done():
        future.set_result(value)
