"""Everything in memory about one owned input partition. Changes only after the commit that made it true."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from enum import Enum, auto
from itertools import chain
from operator import attrgetter

from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.found import Found
from bridge.core.inputs import AnyInput, CancelAnswered
from bridge.core.lifecycle import Doubt, Ended, Kind, Lifecycle, Phase, StoredRequest
from bridge.engine.partition.endings import Endings
from bridge.engine.partition.lanes import Lanes
from bridge.engine.partition.sightings import Sightings
from bridge.engine.partition.undecided import Undecided

_DOUBTS_KEPT = timedelta(days=1)


class Room(Enum):
    """Whether a partition can open a further request."""

    FREE = auto()
    FULL = auto()
    """Reading stops at the next request until some of the open ones end."""
    TOO_MUCH_RESTS = auto()
    """New ones are refused, or the records behind them that those at rest wait for would never be read."""


class OwnedPartition:
    """Committed state of one partition under one assignment, and what waits to be decided.

    ``admitting`` is True until the records that were there at the assignment are admitted: until then nothing starts
    and no timer ends anything, because a cancel in the backlog counts. ``draining``: the partition is being handed
    over. ``closed``: it is not ours any more. ``stopped``: it cannot go on, with the reason. ``remarks``: what its
    restore found that a person should know.
    """

    def __init__(
        self,
        partition: TopicPartition,
        epoch: int,
        topic_id: str,
        next_offset: int,
        backlog_end: int,
        *,
        input_partitions: int = 1,
        stored_offset: int | None = None,
    ) -> None:
        self.partition = partition
        self.epoch = epoch
        self.topic_id = topic_id
        self.next_offset = next_offset
        self.stored_offset = stored_offset
        """What the store's cursor says; None: it has none yet. Where there is state there has to be one."""
        self.backlog_end = backlog_end
        self.input_partitions = input_partitions
        self.seen_end = next_offset
        self.admitting = True
        self.draining = self.closed = self.paused = self.committing = False
        """``committing``: something of it is in the transaction under way."""
        self.stopped: str | None = None
        self.remarks: tuple[str, ...] = ()
        self.waits_for_schema: int | None = None
        """Id of the schema that the next record waits for."""

        self.lifecycles: dict[Birth, Lifecycle] = {}
        self.requests: dict[Birth, StoredRequest] = {}
        self._bytes = self._resting_bytes = self.calls_out = self.stalls = 0
        self._resting: set[Birth] = set()
        self.lanes, self.sightings = Lanes(), Sightings()
        self.claimed: set[str] = set()
        """Ids of Tasks that lifecycles of this partition have, open or ended."""
        self.held: set[str] = set()
        """Ids of Tasks that open ones have."""
        self.pending_controls: dict[str, list[Birth]] = {}
        """Name of the target -> control records waiting for it."""

        self.inbox = Undecided()
        self.inputs: dict[Birth, deque[AnyInput]] = {}
        self.found: deque[Found] = deque()
        """What VCD shows and no record has asked for, in the order in which it is to be decided."""
        self.held_cancels: dict[Birth, CancelAnswered] = {}
        """What is said of the cancels that a freeze holds, once it is over."""
        self.deciding: frozenset[Birth] = frozenset()
        """Lifecycles with a step in the transaction under way."""
        self.stalled_until = 0.0
        """Monotonic time before which nothing of it is tried again: its records were not acknowledged."""

        self._by_name: dict[str, Birth] = {}
        self._endings = Endings()
        self.doubts: list[Doubt] = []  # what those that have ended may have left behind, the oldest call first

    # --- reading --------------------------------------------------------------------------------------------------

    def known(self, name: str) -> Lifecycle | Ended | None:
        """The open or remembered lifecycle of a request id or external key."""
        birth = self._by_name.get(name)
        if birth is not None:
            return self.lifecycles[birth]
        return self._endings.get(name)

    def holder_of(self, task_id: str) -> Birth | None:
        """Whose Task it is, of those that are open or remembered."""
        if task_id not in self.claimed:
            return None
        everybody: Iterator[Lifecycle | Ended] = chain(self.lifecycles.values(), self._endings)
        return next((one.birth for one in everybody if one.task_id == task_id), None)

    def ended_about(self, lane: str | None) -> Iterator[Ended]:
        """The remembered endings of requests that have done something to this blocking task, the latest first."""
        return self._endings.about(lane)

    @property
    def goes_on(self) -> bool:
        """It is ours still, and nothing keeps it from going on."""
        return not self.closed and self.stopped is None

    @property
    def open_count(self) -> int:
        return len(self.lifecycles)

    @property
    def stored_bytes(self) -> int:
        """What the stored requests weigh together."""
        return self._bytes

    def room(self, max_open: int, max_bytes: int, *, more: int = 0, more_bytes: int = 0) -> Room:
        """Whether a further request may be opened; ``more`` are about to be.

        What rests waits for somebody's word, which comes in behind these very requests: so it has caps of its own, of
        the same size, and reading goes on beyond them. What observations have seen no record has opened, and VCD alone
        says how much it is.
        """
        resting = len(self._resting)
        if resting >= max_open or self._resting_bytes >= max_bytes:
            return Room.TOO_MUCH_RESTS
        open_count = self.open_count - self.sightings.count
        working, working_bytes = open_count - resting + more, self._bytes - self._resting_bytes + more_bytes
        return Room.FULL if working >= max_open or working_bytes >= max_bytes else Room.FREE

    def is_busy_with(self, birth: Birth) -> bool:
        """Something about this lifecycle is being decided already; a further reading would say the same."""
        return birth in self.inputs or birth in self.deciding

    def in_phase(self, *phases: Phase) -> Iterator[Lifecycle]:
        return (lifecycle for lifecycle in self.lifecycles.values() if lifecycle.phase in phases)

    def sighted_by(self, order: Birth) -> Collection[Birth]:
        """What this observation has seen and not forgotten."""
        return self.sightings.of(order)

    # --- what waits -----------------------------------------------------------------------------------------------

    def feed(self, birth: Birth, event: AnyInput) -> None:
        """Something happened to a lifecycle. Ignored once the partition is not ours, or cannot go on, or the lifecycle
        has ended."""
        if self.goes_on and birth in self.lifecycles:
            self.inputs.setdefault(birth, deque()).append(event)

    def put_back(self, birth: Birth, event: AnyInput) -> None:
        """An input whose decision was not committed waits again, before what came later."""
        if not self.closed and birth in self.lifecycles:
            self.inputs.setdefault(birth, deque()).appendleft(event)

    # --- committed changes ----------------------------------------------------------------------------------------

    def put(self, after: Lifecycle) -> str | None:
        """A lifecycle's committed state. Returns its lane, whose head may be free to start now."""
        before = self.lifecycles.get(after.birth)
        lane = self.lanes.update(before, after)
        self.sightings.update(before, after)
        if after.task_id:
            self.claimed.add(after.task_id)
            (self.held.add if after.is_open else self.held.discard)(after.task_id)
        if _rests(after) is not (after.birth in self._resting):
            self._count_resting(after.birth)
        if after.is_open:
            self.lifecycles[after.birth] = after
            self._index_open(before, after)
        elif before is not None:
            self._forget(before)
        return lane

    def put_request(self, request: StoredRequest) -> None:
        self.drop_request(request.birth)
        self.requests[request.birth] = request
        self._bytes += request.size_bytes
        if request.birth in self._resting:
            self._resting_bytes += request.size_bytes

    def drop_request(self, birth: Birth) -> None:
        request = self.requests.pop(birth, None)
        if request is not None:
            self._bytes -= request.size_bytes
            if birth in self._resting:
                self._resting_bytes -= request.size_bytes

    def remember(self, ended: Ended) -> None:
        """Keep an ended lifecycle for the dedupe window, where its records could ask for it by name."""
        if ended.doubt is not None:
            self._keep_in_mind(ended.doubt)
        if ended.name is None:
            self.claimed.discard(ended.task_id or "")
            return
        if ended.task_id:
            self.claimed.add(ended.task_id)
        self._endings.put(ended.name, ended)

    def _keep_in_mind(self, doubt: Doubt) -> None:
        """Apart from the ids, which a request sent again takes over."""
        insort(self.doubts, doubt, key=attrgetter("called_at"))

    def forget_doubts(self, now: datetime) -> None:
        """Drop those of calls of long ago, each by its own time: the clocks of hosts differ. A look takes hours."""
        del self.doubts[: bisect_left(self.doubts, now - _DOUBTS_KEPT, key=attrgetter("called_at"))]

    def forget_before(self, moment: datetime) -> int:
        """Drop what ended before ``moment`` (the end of the dedupe window). Returns how many."""
        dropped = 0
        for ended in self._endings.drop_before(moment):
            self.claimed.discard(ended.task_id or "")
            dropped += 1
        return dropped

    def close(self) -> None:
        """The partition is not ours any more: everything about it is dropped."""
        self.closed = True
        self.inbox.clear()
        self.inputs.clear()
        self.found.clear()
        self.held_cancels.clear()

    def _count_resting(self, birth: Birth) -> None:
        """It has come to rest, or rests no more."""
        request = self.requests.get(birth)
        size = request.size_bytes if request is not None else 0
        if birth in self._resting:
            self._resting.remove(birth)
            self._resting_bytes -= size
        else:
            self._resting.add(birth)
            self._resting_bytes += size

    def _index_open(self, before: Lifecycle | None, after: Lifecycle) -> None:
        if after.kind is Kind.CONTROL:
            if before is None:
                self.pending_controls.setdefault(after.target_request_id or "", []).append(after.birth)
        elif after.name is not None and after.name not in self._by_name and not after.left_over:
            self._by_name[after.name] = after.birth
            self._endings.drop(after.name)

    def _forget(self, before: Lifecycle) -> None:
        del self.lifecycles[before.birth]
        self.inputs.pop(before.birth, None)
        if before.kind is Kind.CONTROL:
            waiting = self.pending_controls.get(before.target_request_id or "", [])
            if before.birth in waiting:
                waiting.remove(before.birth)
            if not waiting:
                self.pending_controls.pop(before.target_request_id or "", None)
        elif before.name is not None and self._by_name.get(before.name) == before.birth:
            del self._by_name[before.name]


def _rests(lifecycle: Lifecycle) -> bool:
    """It waits for somebody's word: an operator's, or that of an external task's owner while VCD shows what is wanted.
    A Task of VCD's own ends by itself."""
    shown = lifecycle.kind is Kind.EXTERNAL_TASK and lifecycle.phase is Phase.FOLLOWING
    return shown or lifecycle.phase is Phase.PARKED
