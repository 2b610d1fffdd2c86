"""Looks at blocking tasks: before a decision is called, and where its answer was lost or somebody was quicker.

What a look concludes is decided in ``core``; here it is gathered.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bridge.catalogue.load import Catalogue
from bridge.catalogue.operation import HoldAction
from bridge.core.answers import BlockingAbsent, BlockingRead, ReadRefused, TaskRead, TaskVanished, Unavailable
from bridge.core.approving import REFUSED
from bridge.core.blocking_task import BlockingTask
from bridge.core.hold import Hold, is_conclusive, is_known_over
from bridge.core.inputs import HoldSeen, Looked
from bridge.core.lifecycle import Decided, Ended, Lifecycle
from bridge.core.policy import Policy, allows_reference
from bridge.core.task import Task
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.reading.asking import Asked, Asking, Tell
from bridge.engine.reading.patience import Patience, SettleTimes
from bridge.engine.reading.unanswered import NotNow
from bridge.ports import VcdGateway


class Holds:
    """Reads blocking tasks, and the Tasks that they held. ``policy`` says whose may be decided."""

    def __init__(  # what is read before a call, and after it
        self,
        asking: Asking,
        patience: Patience,
        gateway: VcdGateway,
        catalogue: Catalogue,
        settle: SettleTimes,
        policy: Callable[[], Policy],
    ) -> None:
        self._policy = policy
        self._asking = asking
        self._patience = patience
        self._gateway = gateway
        self._catalogue = catalogue
        self._settle = settle

    def are_meant_by(self, lifecycle: Lifecycle) -> bool:
        """Whether it is about a blocking task."""
        return self._action(lifecycle) is not None

    def _action(self, lifecycle: Lifecycle) -> HoldAction | None:
        found = self._catalogue.get(lifecycle.operation or "")
        return found.hold_action if found is not None else None

    async def read(self, owned: OwnedPartition, lifecycle: Lifecycle, tell: Tell) -> HoldSeen | None:
        """How it stands before anything is called. None: nobody wants to know any more.

        What a cell does not know is read again when it would: nothing else has to show that it is over.
        """
        asked = self._asking.of(owned, lifecycle, tell)
        seen = await self._read(owned, lifecycle, asked)
        if seen is None or seen.hold.held or is_known_over(seen.hold):
            return seen
        await self._asking.wait(self._settle.unseen().length)
        return await self._read(owned, lifecycle, asked)

    async def _read(self, owned: OwnedPartition, lifecycle: Lifecycle, asked: Asked) -> HoldSeen | None:
        uuid = _uuid(lifecycle)
        reading: BlockingRead | BlockingAbsent | ReadRefused | None
        reading = await self._asking.answer(
            asked, "parameters.id", lambda: self._gateway.read_blocking_task(_urn(uuid))
        )
        match reading:
            case None:
                return None
            case BlockingAbsent(http_status=status):
                try:
                    return HoldSeen(await self._over(owned, lifecycle, status))
                except NotNow as not_now:
                    return HoldSeen(Hold(held=False, task=None, told=f"{_gone(uuid, status)}; {not_now}"))
            case BlockingRead(blocking=blocking):
                barred = self._barred(blocking)
                return HoldSeen(Hold(held=True, task=blocking.task, told=_held(uuid), barred=barred))
            case ReadRefused(message=message):
                # VCD does not take the question; the call will show, if nobody has to know whose it is.
                barred = f"whose it is cannot be read: {message}" if self._policy().organizations else None
                return HoldSeen(Hold(held=True, task=None, told=message, barred=barred))

    def _barred(self, blocking: BlockingTask) -> str | None:
        if allows_reference(self._policy(), blocking.organization):
            return None
        named = blocking.organization["name"] if blocking.organization is not None else None
        return (
            f"policy.organizations does not show that {named or 'its organization'} is allowed, whose operation is held"
        )

    async def look(self, owned: OwnedPartition, lifecycle: Lifecycle, *, settle: bool) -> Looked | None:
        """Look at once, and again after the settling time where the call may still be on its way, or the Task has not
        come to anything yet. None: the partition is not ours any more."""
        look_once = partial(self._look_once, owned, lifecycle)
        first = await self._patience.whole(owned, lifecycle, look_once)
        action = self._action(lifecycle)
        if first is None or first.hold is None or action is None or is_conclusive(action, first.hold):
            return first
        if lifecycle.unsure_code == REFUSED and first.hold.held:
            return first  # refused, so it is on its way nowhere
        return await self._patience.again(owned, lifecycle, first, self._settle.of(dead_owner=settle), look_once)

    async def _look_once(self, owned: OwnedPartition, lifecycle: Lifecycle) -> Looked:
        hold, incomplete = await self._hold(owned, lifecycle)
        return Looked(
            attempt=lifecycle.attempt,
            candidates=(),
            happened=False if hold.held and self._action(lifecycle) is not HoldAction.UPDATE_PROGRESS else None,
            evidence=(hold.told,),
            incomplete=incomplete,
            hold=hold,
        )

    async def _hold(self, owned: OwnedPartition, lifecycle: Lifecycle) -> tuple[Hold, str | None]:
        """As it is now, and what could not be looked at."""
        uuid = _uuid(lifecycle)
        reading = await self._gateway.read_blocking_task(_urn(uuid))
        match reading:
            case Unavailable(message=message):
                raise NotNow(message)
            case BlockingRead():
                return Hold(held=True, task=None, told=_held(uuid)), None
            case BlockingAbsent(http_status=status):
                return await self._over(owned, lifecycle, status), None
            case ReadRefused(http_status=status, message=message):
                told = f"GET blocking task {uuid} is refused with {status}: {message}"
                return Hold(held=True, task=None, told=told), told

    async def _over(self, owned: OwnedPartition, lifecycle: Lifecycle, http_status: int) -> Hold:
        """It is gone: what is known of its decision, and what the Task that it held shows. Raises NotNow."""
        told = _gone(_uuid(lifecycle), http_status)
        earlier = self._earlier(owned, lifecycle.lane)
        if earlier is not None:
            told += f"; {earlier.request_id} ({_by(earlier)}) ended it at {earlier.ended_at.isoformat()}"
        decided = earlier.decided if earlier is not None else None
        task_id = lifecycle.held_task_id or (decided.task_id if decided is not None else None)
        action = self._decision(decided) if decided is not None and decided.certain else None
        if task_id is None:
            return Hold(held=False, task=None, told=f"{told}; which Task it held is not known here", decided=action)
        href = lifecycle.held_task_href or (decided.task_href if decided is not None else None)
        task, shown = await self._task(task_id, href)
        return Hold(held=False, task=task, told=f"{told}; its Task {task_id} {shown}", decided=action)

    async def _task(self, task_id: str, href: str | None) -> tuple[Task | None, str]:
        match await self._gateway.read_task(task_id, href):
            case TaskRead(task=task):
                return task, f"is {task.status}{', a cancel was asked for' if task.cancel_requested else ''}"
            case TaskVanished(http_status=status):
                return None, f"cannot be read ({status})"
            case Unavailable(message=message):
                raise NotNow(f"its Task {task_id} cannot be read now: {message}")

    def _earlier(self, owned: OwnedPartition, lane: str | None) -> Ended | None:
        """The request of this partition that has decided it; it may be forgotten, or another partition's."""
        return next((one for one in owned.ended_about(lane) if self._decision(one.decided) is not None), None)

    def _decision(self, decided: Decided | None) -> HoldAction | None:
        """What it was that ended the hold; None: it did not."""
        operation = self._catalogue.get(decided.operation) if decided is not None else None
        action = operation.hold_action if operation is not None else None
        return action if action is not None and action.decides else None


def _uuid(lifecycle: Lifecycle) -> str:
    return (lifecycle.entity or "").rpartition("/")[2]


def _urn(uuid: str) -> str:
    return f"urn:vcloud:blockingTask:{uuid}"


def _held(uuid: str) -> str:
    return f"GET blocking task {uuid}: it is held"


def _gone(uuid: str, http_status: int) -> str:
    return f"GET blocking task {uuid}: {http_status}, it is not held any more, or not shown to this login"


def _by(ended: Ended) -> str:
    decided = ended.decided
    return f"{decided.operation} by {decided.requested_by or 'somebody'}" if decided is not None else "?"
