"""Which Task belongs to whom: no Task is adopted by two lifecycles of this process.

A look takes seconds, and while it is made others are accepted, adopt, or come into doubt themselves. So what it found
is held against everybody else at the moment of the decision, the round under way included. Tasks of requests that other
processes work on are not known here: the entity's lane and the name of what is created have to tell them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import chain

from bridge.core.coordinates import Birth
from bridge.core.inputs import Looked
from bridge.core.lifecycle import Doubt, Lifecycle
from bridge.core.recognition import may_be_forgotten, may_have_made
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.partition.round import PartitionRound


class Claims:
    """The Tasks of all lifecycles of this process, open or remembered."""

    def __init__(self, partitions: Callable[[], Iterable[OwnedPartition]]) -> None:
        self._partitions = partitions

    def __contains__(self, task_id: object) -> bool:
        return any(task_id in owned.claimed for owned in self._partitions())

    def holder(self, task_id: str, rounds: Iterable[PartitionRound]) -> Birth | None:
        """Whose Task it is, the rounds under way included; None: nobody's that this process knows."""
        decided = (one for work in rounds for one in work.changed.values() if one.task_id == task_id)
        known = (owned.holder_of(task_id) for owned in self._partitions())
        return next(chain((one.birth for one in decided), (birth for birth in known if birth is not None)), None)

    def settle(
        self, look: Looked, lifecycle: Lifecycle, rounds: Iterable[PartitionRound], remembered_since: datetime
    ) -> Looked:
        """The look as it stands now: without Tasks that have become others', with those who may claim what is left.

        ``remembered_since``: requests that ended before that, on VCD's clock, are forgotten, and whose Tasks theirs
        were.
        """
        if not look.candidates:
            return look
        under_way = list(rounds)
        taken = {one.task_id for work in under_way for one in work.changed.values() if one.birth != lifecycle.birth}
        left = tuple(task for task in look.candidates if task.id not in self and task.id not in taken)
        rivals = tuple(
            str(doubt.birth)
            for doubt in self._doubts(under_way)
            if doubt.birth != lifecycle.birth and may_have_made(doubt, lifecycle)
        )
        if any(may_be_forgotten(task, remembered_since) for task in left):
            rivals += (f"a request that ended before {remembered_since.isoformat()} and is forgotten",)
        gone = [task.id for task in look.candidates if task not in left]
        seen = [f"{task_id} has become another request's meanwhile" for task_id in gone]
        if left and rivals:
            seen.append(f"{', '.join(rivals[:5])} could have made the same Task")
        return replace(
            look,
            candidates=left,
            rivals=rivals if left else (),
            evidence=(*look.evidence, *seen),
            overtaken=not left,
        )

    def _doubts(self, rounds: Iterable[PartitionRound]) -> Iterator[Doubt]:
        """All calls that may have made a Task which nobody has: under way, in doubt, or of requests that have ended."""
        changed = {birth: one for work in rounds for birth, one in work.changed.items()}
        partitions = list(self._partitions())
        unchanged = (one for owned in partitions for birth, one in owned.lifecycles.items() if birth not in changed)
        yield from (doubt for one in chain(changed.values(), unchanged) if (doubt := one.doubt) is not None)
        yield from chain.from_iterable(owned.doubts for owned in partitions)
