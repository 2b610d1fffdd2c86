"""Takes records about observations, and what their looks have found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import assert_never

from bridge.core.commands import Decision
from bridge.core.coordinates import Birth
from bridge.core.events import Reason
from bridge.core.found import Found, FoundOrphan
from bridge.core.inputs import ChangeWanted, Emptied, LeftBehind, StopWanted
from bridge.core.lifecycle import Kind, Lifecycle, Phase
from bridge.core.observation.blocking import open_blocking
from bridge.core.observation.opening import (
    is_repeat,
    judge_change,
    judge_start,
    open_order,
    too_many_observations,
)
from bridge.core.observation.order import order_part
from bridge.core.observation.task import open_observed
from bridge.core.observation_records import DecodedObservation, Observation, ObservationAction
from bridge.core.observation_rules import ObservationRules
from bridge.core.observation_seen import BlockingGone, LookOver, Seen, SeenBlocking, SeenMissing, SeenTask
from bridge.core.opening import Asker, kept_key, reject
from bridge.core.requests import Malformed
from bridge.engine.desks.intake import Taken
from bridge.engine.partition.owned_partition import Room
from bridge.engine.partition.round import PartitionRound
from bridge.errors import InvariantViolation
from bridge.ports import Delivery, ObservationCodec


class ObservationDesk:
    """``is_provider`` tells whether the login is one of the provider."""

    def __init__(self, codec: ObservationCodec, rules: ObservationRules, is_provider: Callable[[], bool]) -> None:
        self._codec = codec
        self._rules = rules
        self._is_provider = is_provider

    def decode(self, delivery: Delivery) -> DecodedObservation:
        return self._codec.decode(delivery)

    def waits_for_room(self, record: Observation) -> bool:
        """Never: the stops that would make room come in behind it."""
        return False

    def who(self, delivery: Delivery, record: Observation | Malformed) -> Asker:
        return Asker(
            birth=delivery.birth,
            key=kept_key(delivery.key),
            request_id=None,
            correlation_id=record.correlation_id,
            requested_by=record.requested_by,
            operation=None,
            traceparent=record.traceparent,
            lifecycle=Kind.OBSERVATION,
        )

    # --- records --------------------------------------------------------------------------------------------------

    def take(self, work: PartitionRound, delivery: Delivery, record: Observation, room: Room) -> Taken:
        known = work.known(record.organization)
        order = known if isinstance(known, Lifecycle) and known.is_open else None
        if record.action is ObservationAction.STOP:
            self._stop(work, delivery, record, order)
        elif order is not None and order.phase is Phase.STOPPING:
            # A new observation of the same organization begins when nothing of the old one is left.
            return Taken(left=True)
        elif (refusal := self._refusal(work, record, order, room)) is not None:
            work.answer(reject(work.now, self.who(delivery, record), refusal))
        elif order is None:
            work.open(open_order(work.now, self.who(delivery, record), record, work.vcd_time))
        elif is_repeat(record, order):
            work.repeats.append((order, delivery.birth))
        else:
            work.apply(order.birth, ChangeWanted(record))
        return Taken()

    def _refusal(self, work: PartitionRound, record: Observation, order: Lifecycle | None, room: Room) -> Reason | None:
        refusal = judge_start(record, self._rules, is_provider=self._is_provider())
        if refusal is not None or order is not None:
            return refusal or (judge_change(record, order) if order is not None else None)
        return None if room is Room.FREE else too_many_observations(work.owned.partition.partition)

    def _stop(self, work: PartitionRound, delivery: Delivery, record: Observation, order: Lifecycle | None) -> None:
        if order is not None and order.phase is Phase.STOPPING:
            work.repeats.append((order, delivery.birth))
        elif order is not None:
            work.apply(order.birth, StopWanted(delivery.birth))
        elif not record.is_tombstone:
            # A tombstone is what compaction leaves of a stop: nobody waits for an answer to it.
            message = f"no observation of {record.organization!r} stands on this partition"
            reason = Reason("not_observed", message, "organization")
            work.answer(reject(work.now, self.who(delivery, record), reason))

    # --- what looks have found ------------------------------------------------------------------------------------

    def take_found(self, work: PartitionRound, most: int) -> None:
        """In its order. What tells nothing new takes no step."""
        found = work.owned.found
        while found and work.size < most:
            seen = found.popleft()
            if self._see(work, seen):
                work.taken_found.append(seen)
        self._forget(work, most)

    def _see(self, work: PartitionRound, seen: Found) -> bool:
        """Decide one finding. False: nothing came of it."""
        if isinstance(seen, FoundOrphan):
            raise InvariantViolation(f"{work.owned.partition}: an orphan of external tasks among what was observed")
        order = work.current(seen.order)
        if order is None or order.phase is not Phase.FOLLOWING:
            return False
        match seen:
            case SeenTask(task=task):
                return self._sight(work, order, seen, task.id, lambda: open_observed(work.now, order, task))
            case SeenBlocking(blocking=blocking):
                wanted = order_part(order).blocking_tasks
                return wanted and self._sight(
                    work, order, seen, blocking.id, lambda: open_blocking(work.now, order, blocking)
                )
            case SeenMissing(task_id=task_id):
                return self._sight(work, order, seen, task_id, lambda: None)
            case BlockingGone(blocking_task_id=blocking_task_id):
                return self._sight(work, order, seen, blocking_task_id, lambda: None)
            case LookOver():
                return _apply(work, order, seen)
            case _:
                assert_never(seen)

    def _sight(
        self, work: PartitionRound, order: Lifecycle, seen: Seen, urn: str, first: Callable[[], Decision | None]
    ) -> bool:
        known = work.known(f"{order.organization}/{urn}")
        if isinstance(known, Lifecycle):
            return _apply(work, known, seen)
        opened = first()
        if opened is not None:
            work.open(opened)
        return opened is not None

    # --- what is forgotten ----------------------------------------------------------------------------------------

    def _forget(self, work: PartitionRound, most: int) -> None:
        """What no window shows again, and what nobody wants any more; then a stopping observation is over."""
        for birth in self._left_over(work, most):
            if work.size >= most:
                return
            current = work.current(birth)
            if current is not None and current.is_open:
                work.apply(birth, LeftBehind())
                work.forgotten.append(birth)
        for birth in work.owned.sightings.orders:
            order = work.current(birth)
            if order is not None and order.phase is Phase.STOPPING and not work.owned.sighted_by(birth):
                work.apply(birth, Emptied())
                work.forgotten.append(birth)

    def _left_over(self, work: PartitionRound, most: int) -> Iterator[Birth]:
        owned = work.owned
        yield from owned.sightings.ownerless()
        for birth in owned.sightings.orders:
            order = owned.lifecycles[birth]
            part = order_part(order)
            if order.phase is Phase.STOPPING:
                yield from owned.sighted_by(birth)
                continue
            if part.forgotten_before is not None:
                yield from owned.sightings.past(birth, part.forgotten_before, most)
            if not part.blocking_tasks:
                yield from owned.sightings.blocking(birth)


def _apply(work: PartitionRound, lifecycle: Lifecycle, seen: Seen) -> bool:
    """Whether something came of it."""
    decision = work.apply(lifecycle.birth, seen)
    return decision is not None and (decision.lifecycle is not lifecycle or bool(decision.notes))
