"""The store: what the group wrote about an input partition, read back to its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from bridge.core.coordinates import TopicPartition
from bridge.errors import BridgeError, TemporaryError
from bridge.kafka.config import KafkaConfig
from bridge.kafka.membership import Membership
from bridge.kafka.restoring import Log, Restore, RestoreThread
from bridge.ports import RestoredPartition, TopicNames


class KafkaStore:
    """Implements ``bridge.ports.Store``. ``writer_id``: the transactional id of this process's journal.

    ``trouble(where, message)``, ``on_hung(message)`` when a call of the reader hangs, and ``reach``, the crash points'
    function, are called from another thread.
    """

    def __init__(
        self,
        config: KafkaConfig,
        membership: Membership,
        names: TopicNames,
        *,
        writer_id: str,
        trouble: Callable[[str, str], None],
        on_hung: Callable[[str], None] = lambda message: None,
        reach: Callable[[str], None] = lambda point: None,
    ) -> None:
        self._membership = membership
        self._names = names
        self._thread = RestoreThread(config, writer_id, trouble, on_hung, reach)

    async def restore(self, partition: TopicPartition, epoch: int) -> RestoredPartition | None:
        """None when the partition was lost meanwhile.

        Raises TemporaryError when the store cannot be read, StoreConflict when the input topic is gone or the
        changelog loses records.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[RestoredPartition | None] = loop.create_future()

        def finish(restored: RestoredPartition | None, error: BaseException | None) -> None:
            # A loop that is closed has nobody left who waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, future, restored, error)

        number = partition.partition
        self._thread.submit(
            Restore(
                partition,
                Log(TopicPartition(self._names.changelog(partition.topic), number), latest_only=True),
                Log(TopicPartition(self._names.ended(partition.topic), number), latest_only=False),
                wanted=lambda: not future.cancelled() and self._membership.owns(partition, epoch),
                finish=finish,
            )
        )
        restored = await future
        if restored is not None:
            self._membership.restored(partition, epoch, restored.topic_id)
        return restored

    async def close(self) -> None:
        self._thread.close()


def _settle(
    future: asyncio.Future[RestoredPartition | None], restored: RestoredPartition | None, error: BaseException | None
) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(restored)
    else:
        future.set_exception(error if isinstance(error, BridgeError) else TemporaryError(f"store: {error}"))
