"""What a member does not hear from its own client is asked by another one, every few seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaException

from bridge.core.coordinates import TopicPartition
from bridge.errors import BridgeError
from bridge.kafka.config import KafkaConfig
from bridge.kafka.connection import Connection, describe
from bridge.kafka.hearing import Hearing
from bridge.kafka.letting_go import let_go
from bridge.kafka.membership import Membership
from bridge.kafka.queries import topic_facts

DEAF_SECONDS = 60.0
"""A member that has heard no broker for so long may be deaf."""
ASK_SECONDS = 15.0
"""Between two looks."""
ANSWER_SECONDS = 5.0
"""Longest that a new client waits to hear anybody."""
_ANSWERS_THAT_COUNT = 3
"""So many times in a row, as a client that has lost its connections takes up to 10 s to find the brokers again."""
_FAILURES_OF_A_CLIENT = 4
"""After so many in a row another client asks for topics."""
_WHERE = "kafka consumer"


@dataclass(frozen=True, slots=True)
class _Renewed:
    """A partition owned under ``epoch`` whose topic has another id than when it was restored."""

    partition: TopicPartition
    epoch: int
    topic_id: str


class LookingAfter:
    """Looks in a daemon thread: a client whose brokers are gone may block, and nobody waits for it.

    ``renewed(epochs)`` is told which owned partitions have begun anew, and the epochs they are owned under;
    ``on_hung(message)`` ends the process. These and ``trouble(where, message)`` are called from that thread.
    """

    def __init__(
        self,
        config: KafkaConfig,
        membership: Membership,
        hearing: Hearing,
        *,
        renewed: Callable[[Mapping[TopicPartition, int]], None],
        trouble: Callable[[str, str], None],
        on_hung: Callable[[str], None],
    ) -> None:
        self._config = config
        self._membership = membership
        self._hearing = hearing
        self._tell_renewed = renewed
        self._trouble = trouble
        self._on_hung = on_hung
        self._connection: Connection | None = None
        self._failures = 0
        self._suspected: frozenset[_Renewed] = frozenset()
        self._unanswered: set[str] = set()
        self._closed = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="kafka-looking-after", daemon=True).start()

    def close(self) -> None:
        """No look begins any more."""
        self._closed.set()

    def _run(self) -> None:
        answers = 0
        while answers < _ANSWERS_THAT_COUNT:
            if self._closed.wait(ASK_SECONDS):
                return
            try:
                answers = self._look(answers)
            except Exception as error:  # noqa: BLE001  # one bad moment must not end it for good
                answers = 0
                self._trouble(_WHERE, f"a look after the member failed: {error!r}")
        silent = self._hearing.silent_seconds
        self._on_hung(f"the consumer has heard no broker for {silent:.0f} s, though a new client reaches the cluster")

    def _look(self, answers: int) -> int:
        """How many times in a row a new client was answered where this member hears nobody."""
        if self._hearing.silent_seconds > DEAF_SECONDS:
            return answers + 1 if self.is_there() else 0
        self.look_for_renewed()
        return 0

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

    def look_for_renewed(self) -> None:
        """A topic that is deleted and made again within a second goes unseen by a consumer: librdkafka reads on in the
        new one where it was in the old (measured, 2.16.0). Its id tells; twice in a row, as a broker may lag behind."""
        known = self._membership.restored_from()
        ids = {topic: self._id_of(topic) for topic in sorted({partition.topic for partition in known})}
        found = frozenset(
            _Renewed(partition, epoch, topic_id)
            for partition, (epoch, restored) in known.items()
            if (topic_id := ids[partition.topic]) and topic_id != restored
        )
        sure, self._suspected = found & self._suspected, found
        for one in sure:
            self._trouble(_WHERE, f"{one.partition}: its topic was deleted and made again (id {one.topic_id})")
        if sure:
            self._tell_renewed({one.partition: one.epoch for one in sure})

    def _id_of(self, topic: str) -> str:
        """Empty where the cluster has no such topic, or does not say; that is told once."""
        try:
            self._connection = connection = self._connection or Connection(self._config)
            facts = topic_facts(connection, [topic], embedded=False)
            connection.admin.poll(0)  # what it logs
        except (KafkaException, BridgeError) as error:
            if topic not in self._unanswered:
                said = describe(error.args[0]) if isinstance(error, KafkaException) else error.message
                self._trouble(_WHERE, f"the id of {topic} cannot be read: {said}")
            self._unanswered.add(topic)
            self._failed()
            return ""
        self._failures = 0
        self._unanswered.discard(topic)
        return facts[topic].topic_id if topic in facts else ""

    def _failed(self) -> None:
        """On a slow network a client needs longer for its first answer than one look lasts; one that has lost its
        brokers may need to be made anew."""
        self._failures += 1
        if self._failures >= _FAILURES_OF_A_CLIENT and self._connection is not None:
            let_go(self._connection.admin)
            self._connection, self._failures = None, 0
