"""What a member does not hear from its own client is asked by another one, every few seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from confluent_kafka import KafkaException

from bridge.core.coordinates import TopicPartition
from bridge.errors import BridgeError
from bridge.kafka.config import KafkaConfig
from bridge.kafka.connection import Connection
from bridge.kafka.hearing import Hearing
from bridge.kafka.membership import Membership
from bridge.kafka.queries import topic_facts

DEAF_SECONDS = 60.0
"""A member that has heard no broker for so long may be deaf."""
ASK_SECONDS = 15.0
"""Between two looks."""
ANSWER_SECONDS = 5.0
"""Longest that a new client waits for its answer."""
_ANSWERS_THAT_COUNT = 3
"""So many times in a row, as a client that has lost its connections takes up to 10 s to find the brokers again."""


class LookingAfter:
    """``renewed(epochs)`` is told which owned partitions have begun anew, and the epochs they are owned under;
    ``on_hung(message)`` ends the process."""

    def __init__(
        self,
        config: KafkaConfig,
        membership: Membership,
        hearing: Hearing,
        *,
        renewed: Callable[[Mapping[TopicPartition, int]], None],
        on_hung: Callable[[str], None],
    ) -> None:
        self._config = config
        self._membership = membership
        self._hearing = hearing
        self._renewed = renewed
        self._on_hung = on_hung
        self._connection: Connection | None = None

    async def run(self) -> None:
        """Until the process has to end."""
        answers = 0
        while answers < _ANSWERS_THAT_COUNT:
            await asyncio.sleep(ASK_SECONDS)
            if self._hearing.silent_seconds > DEAF_SECONDS:
                answers = answers + 1 if await asyncio.to_thread(self.is_there) else 0
            else:
                answers = 0
                await asyncio.to_thread(self._look_for_renewed)
        silent = self._hearing.silent_seconds
        self._on_hung(f"the consumer has heard no broker for {silent:.0f} s, though a new client reaches the cluster")

    def is_there(self) -> bool:
        """Whether a new client is answered where this member hears nobody.

        Brokers that know of no broker, as one does that its controller has given up for a while, make librdkafka forget
        all of them, and nothing brings it back (measured, 2.16.0: an hour without a partition beside a healthy Kafka).
        While Kafka is away nobody hears it, and looking after goes on.
        """
        try:
            Connection(self._config).look(ANSWER_SECONDS)
        except BridgeError:
            return False
        return True

    def _look_for_renewed(self) -> None:
        """A topic that is deleted and made again within a second goes unseen by a consumer: librdkafka reads on in the
        new one where it was in the old (measured, 2.16.0). Its id tells."""
        known = self._membership.restored_from()
        if not known:
            return
        try:
            self._connection = self._connection or Connection(self._config)
            facts = topic_facts(self._connection, {partition.topic for partition in known}, embedded=False)
        except (KafkaException, BridgeError):
            self._connection = None  # a new one finds a cluster again that this one has lost
            return
        renewed = {
            partition: epoch
            for partition, (epoch, topic_id) in known.items()
            if partition.topic in facts and facts[partition.topic].topic_id != topic_id
        }
        if renewed:
            self._renewed(renewed)
