"""Partitions come and go: what the client calls back inside consume and close, and what it does not tell.

All of it in the polling thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as ClientPartition

from bridge.core.coordinates import TopicPartition
from bridge.kafka.config import KafkaConfig
from bridge.kafka.membership import Identity, Membership
from bridge.kafka.messages import from_client
from bridge.kafka.reading import Reading
from bridge.ports import Assigned, InboxEvent, Lost, Revoking

HANDOVER_SECONDS = 20.0
"""Longest wait for ``release``. It delays the whole group's rebalance; it stays far below max.poll.interval.ms."""
_NO_ASSIGNMENT_SECONDS = 2.0
"""A member that has an epoch and after this no partition gets none for now: partitions come with heartbeats."""

_NO_MEMBER = b"none"
"""In the place of group metadata: there is none."""


class Rebalancing:
    """``emit`` hands events over; ``serve`` runs the commands that wait, ``wait`` waits for one, briefly: a handover
    does both until the engine has let go."""

    def __init__(
        self,
        config: KafkaConfig,
        consumer: Consumer,
        membership: Membership,
        reading: Reading,
        *,
        emit: Callable[[Sequence[InboxEvent]], None],
        serve: Callable[[], None],
        wait: Callable[[], None],
        trouble: Callable[[str, str], None],
    ) -> None:
        self._uses_kip_848 = config.uses_kip_848
        self._consumer = consumer
        self._membership = membership
        self._reading = reading
        self._emit = emit
        self._serve = serve
        self._wait = wait
        self._trouble = trouble
        self._unreleased: set[TopicPartition] = set()
        self._joined = False
        self._member_id = ""
        """The member that the partitions were given to; empty before the first assignment."""
        self._metadata_before: object | None = None
        """Group metadata of before ``start_over``, for as long as that may have answered a rebalance unseen."""
        self._idle_since: float | None = None

    # --- the client's callbacks ---------------------------------------------------------------------------------------

    def on_assign(self, _: Consumer, partitions: list[ClientPartition]) -> None:
        stale = self._lose_what_another_member_had()
        self._reading.accept()
        self._joined = True
        self._emit([Assigned(self._membership.grant([*stale, *from_client(partitions)]))])

    def on_revoke(self, consumer: Consumer, partitions: list[ClientPartition]) -> None:
        if self.may_wait_unseen or self._identity().member_id != self._member_id:
            self.on_lost(consumer, partitions)
            return
        going = frozenset(p for p in from_client(partitions) if self._membership.epoch(p) is not None)
        self._hand_over(going)
        self._reading.give_up(from_client(partitions))

    def on_lost(self, _: Consumer, partitions: list[ClientPartition]) -> None:
        self._lose(from_client(partitions))
        self._reading.give_up(from_client(partitions))

    # --- what no callback says ----------------------------------------------------------------------------------------

    def group_metadata(self) -> object | None:
        """None while this process is not the member that its partitions were given to.

        No member at all: the broker would let its offsets through. Another member than it was: it has been out of its
        group, and what it had may have had other owners since; see ``on_assign``. (Both measured.)
        """
        metadata: object = self._metadata_before or self._consumer.consumer_group_metadata()
        member_id = Identity.of(metadata).member_id
        return metadata if member_id and member_id == self._member_id else None

    def announce_idle_member(self) -> None:
        """A KIP-848 member that gets no partition is never called back; the engine must learn that it has joined."""
        if self._joined or not self._uses_kip_848:
            return
        if self._idle_since is None:
            if self._identity().epoch > 0:
                self._idle_since = time.monotonic()
        elif time.monotonic() - self._idle_since > _NO_ASSIGNMENT_SECONDS:
            self._joined = True
            self._emit([Assigned({})])

    def start_over(self, partition: TopicPartition) -> Iterable[InboxEvent]:
        """Assign a partition anew whose position is lost, so that cursor and topic are compared again.

        The client takes it that a partition is taken away for the answer to a rebalance that still waits in its queue,
        also to a loss: it joins again before the loss is served here, and calls it a revoke when it comes. A classic
        member has another id then. A KIP-848 member keeps its id, and its new epoch passes the broker's fence (measured
        on librdkafka 2.16.0: a stale transaction was committed). So until its queue was seen empty only the metadata of
        before is used, which no broker takes after a loss, and a revoke is a loss.
        """
        if self._uses_kip_848 and self._metadata_before is None:
            self._metadata_before = self._consumer.consumer_group_metadata() or _NO_MEMBER
        self._reading.stop([partition])
        self._membership.drop([partition], lost=True)
        return Lost(frozenset({partition})), Assigned(self._membership.grant([partition]))

    @property
    def may_wait_unseen(self) -> bool:
        """Whether a rebalance may wait in the client's queue that ``start_over`` has answered."""
        return self._metadata_before is not None

    def queue_seen_empty(self) -> None:
        """Every rebalance that was in the client's queue has been served."""
        self._metadata_before = None

    # --- letting go ---------------------------------------------------------------------------------------------------

    def release(self, partitions: Iterable[TopicPartition]) -> None:
        """The engine has let go of them."""
        self._unreleased.difference_update(partitions)

    def leave(self, *, in_order: bool) -> None:
        """The end: hand everything over, or give it up for lost."""
        owned = frozenset(self._membership.owned())
        if in_order:
            self._hand_over(owned)
        else:
            self._lose(owned)

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
            self._reading.stop(stale)
            self._membership.drop(stale, lost=True)
            self._emit([Lost(stale)])
        return stale

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
                self._wait()
        late = frozenset(self._unreleased)
        self._unreleased = set()
        self._membership.drop(going - late, lost=False)
        if late:
            self._trouble("kafka consumer", f"handover of {', '.join(map(str, sorted(late)))} was not finished in time")
            self._lose(late)

    def _lose(self, partitions: Iterable[TopicPartition]) -> None:
        gone = self._membership.drop(partitions, lost=True)
        if gone:
            self._emit([Lost(gone)])
            self._joined, self._idle_since = False, None

    def _identity(self) -> Identity:
        return Identity.of(self._consumer.consumer_group_metadata())
