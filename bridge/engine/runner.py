"""Runs commands: the only place of the engine that calls ports on behalf of a lifecycle."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, assert_never

from bridge.core.answering import FROZEN
from bridge.core.answers import CallAnswer, CancelAnswer, HttpCall, NeverSent
from bridge.core.commands import Command, Follow, Look, MakeCall, ReadReferences, ReadTask, SendCancel
from bridge.core.coordinates import Birth
from bridge.core.inputs import Answered, AnyInput, CancelAnswered, Looked, Unreadable
from bridge.core.lifecycle import Kind, Lifecycle, Phase, StoredRequest
from bridge.core.rules import Backoff
from bridge.engine.calling.brake import Brake
from bridge.engine.calling.permits import Made, Permits, Use, use_of
from bridge.engine.following.follower import Follower
from bridge.engine.following.watch import Watch
from bridge.engine.partition.owned_partition import OwnedPartition
from bridge.engine.reading.asking import Tell
from bridge.engine.reading.organization_reads import OrganizationReads
from bridge.engine.reading.references import References
from bridge.engine.recovery.external_looks import ExternalLooks
from bridge.engine.recovery.holds import Holds
from bridge.engine.recovery.recovering import Recovery
from bridge.engine.waiting import back_off
from bridge.errors import InvariantViolation
from bridge.ports import Clock, Observer, VcdGateway

_CANCEL_BACKOFF = Backoff()


@dataclass(slots=True)
class ExternalParts:
    """What the commands of external tasks are run by."""

    watch: Watch
    looks: ExternalLooks
    references: References


class MakeLook(Protocol):
    """Finds out about a call in doubt. None: the partition is not ours any more."""

    async def __call__(self, owned: OwnedPartition, lifecycle: Lifecycle, *, settle: bool) -> Looked | None: ...


class Feedback(Protocol):
    """The journal loop as commands see it."""

    def feed(self, owned: OwnedPartition, birth: Birth, event: AnyInput) -> None: ...

    def wake(self) -> None: ...

    def fail(self, error: BaseException) -> None: ...


class Runner:
    """Starts a task per command and feeds what comes back into the journal loop."""

    def __init__(  # one collaborator per kind of command
        self,
        *,
        clock: Clock,
        gateway: VcdGateway,
        permits: Permits,
        brake: Brake,
        follower: Follower,
        recovery: Recovery,
        holds: Holds,
        organizations: OrganizationReads,
        external: ExternalParts | None,
        observer: Observer,
        reach: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._gateway = gateway
        self._permits = permits
        self._brake = brake
        self._follower = follower
        self._recovery = recovery
        self._holds = holds
        self._organizations = organizations
        self._external = external
        self._observer = observer
        self._reach = reach
        self._running: set[asyncio.Task[None]] = set()
        self.feedback: Feedback | None = None
        """Set by the engine: the journal loop and its commands need each other."""
        self.found_twice: Callable[[OwnedPartition], None] = lambda owned: None
        """Told of a partition in which one call has made more than one Task."""

    def run(self, owned: OwnedPartition, lifecycle: Lifecycle, command: Command, leave_by: float) -> None:
        """Start what a committed step commands, if it still holds."""
        match command:
            case MakeCall():
                self._begin_call(owned, lifecycle, command.attempt, leave_by)
            case Look():
                if lifecycle.phase is Phase.UNSURE:
                    self._spawn(self._look(owned, lifecycle, settle=command.settle))
            case Follow():
                self._follow(owned, lifecycle)
            case SendCancel(failures=failures):
                self._begin_cancel(owned, lifecycle, failures, leave_by)
            case ReadTask():
                self._external_parts().watch.hurry(lifecycle.birth)
            case ReadReferences():
                # Of what the backlog brings, all is read when it has been admitted.
                if lifecycle.phase is Phase.RESOLVING and not owned.admitting:
                    self._spawn(self._read_references(owned, lifecycle))
            case _:
                assert_never(command)

    def _follow(self, owned: OwnedPartition, lifecycle: Lifecycle) -> None:
        if lifecycle.kind is Kind.EXTERNAL_TASK:
            if lifecycle.is_open:
                self._external_parts().watch.add(owned, lifecycle)
        elif lifecycle.phase is Phase.FOLLOWING:
            self._follower.add(owned, lifecycle)

    async def close(self) -> None:
        """Stop everything that is not a call; calls were awaited by the drain, or are beyond our reach."""
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    # --- calls ----------------------------------------------------------------------------------------------------

    def _begin_call(self, owned: OwnedPartition, lifecycle: Lifecycle, attempt: int, leave_by: float) -> None:
        if owned.closed or lifecycle.attempt != attempt:
            self._permits.release(Use.UNUSED)
            return
        request = owned.requests.get(lifecycle.birth)
        if request is None:
            self._permits.release(Use.UNUSED)
            self._feed(owned, lifecycle, Unreadable("what was asked for is not in the store, or cannot be read"))
            return
        owned.calls_out += 1
        self._spawn(self._call(owned, lifecycle, request, leave_by))

    async def _call(self, owned: OwnedPartition, lifecycle: Lifecycle, request: StoredRequest, leave_by: float) -> None:
        call = http_call(lifecycle, request)
        made = Made(call.operation, self._clock.monotonic())
        held_back: NeverSent | None = None
        answer: CallAnswer | None = None

        def may_leave() -> bool:
            nonlocal held_back
            self._reach("request_leaving")
            held_back = self._held_back(owned, lifecycle.birth)
            return held_back is None

        try:
            self._reach("intent_committed")
            answer = self._held_back(owned, lifecycle.birth)
            if answer is None:
                answer = await self._gateway.call(call, leave_by=leave_by, may_leave=may_leave)
                if held_back is not None and isinstance(answer, NeverSent):
                    answer = held_back  # the gateway knows that it was held back, but not why
                self._reach("call_answered")
                self._observer.call_answered(lifecycle, call, answer, self._clock.monotonic() - made.began)
            self._feed(owned, lifecycle, Answered(lifecycle.attempt, answer, self._clock.random()))
        finally:
            owned.calls_out -= 1
            self._give_back(made, answer)
            self._loop().wake()

    def _give_back(self, made: Made, answer: CallAnswer | None) -> None:
        """The permit of a call; ``answer`` None: canceled on the way."""
        use = Use.UNUSED if answer is None else use_of(answer)
        self._permits.release(use, made, getattr(answer, "code", ""))

    def _held_back(self, owned: OwnedPartition, birth: Birth) -> NeverSent | None:
        """Why the call of a committed intent must not leave after all, asked right before it would.

        It is said while the partition is still ours, so that the next owner need not wonder whether the call left.
        """
        current = owned.lifecycles.get(birth)
        if owned.closed or owned.draining:
            return NeverSent(code="handed_over", message="the partition is handed over")
        if current is not None and current.cancel_wanted:
            return NeverSent(code="held_back", message="canceled before it left")
        if self._brake.is_on:
            return NeverSent(code=FROZEN, message="frozen before it left")
        return None

    # --- cancel and look ------------------------------------------------------------------------------------------

    def _begin_cancel(self, owned: OwnedPartition, lifecycle: Lifecycle, failures: int, leave_by: float) -> None:
        if lifecycle.phase is not Phase.FOLLOWING or owned.draining:
            return
        if self._brake.is_on:
            owned.held_cancels[lifecycle.birth] = _not_sent(lifecycle, failures)
        else:
            self._spawn(self._cancel(owned, lifecycle, failures, leave_by))

    def thawed(self, partitions: Iterable[OwnedPartition]) -> None:
        """Take up the cancels that the freeze has held."""
        for owned in partitions:
            held, owned.held_cancels = owned.held_cancels, {}
            for birth, not_sent in held.items():
                self._loop().feed(owned, birth, not_sent)

    async def _cancel(self, owned: OwnedPartition, lifecycle: Lifecycle, failures: int, leave_by: float) -> None:
        """One try. Another is a step of its own: a lease is never older than the commit that it counts from, and a
        partition that went meanwhile takes no steps."""
        # Of its own, as every call has; two owners in a row do not know each other's number.
        unique = f"{int(self._clock.random() * 16**6):06x}"
        call_id = f"{lifecycle.birth.call_id(lifecycle.attempt)}-cancel-{unique}"
        answer = await self._gateway.cancel_task(
            lifecycle.task_id or "",
            call_id,
            leave_by=leave_by,
            may_leave=lambda: not (owned.closed or owned.draining or self._brake.is_on),
        )
        if answer is CancelAnswer.UNAVAILABLE:
            await back_off(self._clock, _CANCEL_BACKOFF, failures)
            self._feed(owned, lifecycle, _not_sent(lifecycle, failures + 1))
            return
        self._reach("cancel_answered")
        self._feed(owned, lifecycle, CancelAnswered(lifecycle.task_id or "", answer))
        self._follower.hurry(lifecycle.birth)

    async def _read_references(self, owned: OwnedPartition, lifecycle: Lifecycle) -> None:
        read = await self._read_named(owned, lifecycle, lambda said: self._feed(owned, lifecycle, said))
        if read is not None:
            self._reach("references_read")
            self._feed(owned, lifecycle, read)

    async def _read_named(self, owned: OwnedPartition, lifecycle: Lifecycle, tell: Tell) -> AnyInput | None:
        if lifecycle.kind is Kind.OBSERVATION:
            return await self._organizations.read(owned, lifecycle, tell)
        if lifecycle.kind is not Kind.EXTERNAL_TASK:
            return await self._holds.read(owned, lifecycle, tell)
        request = owned.requests.get(lifecycle.birth)
        if request is None:
            return Unreadable("what was asked for is not in the store, or cannot be read")
        return await self._external_parts().references.read(owned, lifecycle, request, tell)

    def _external_parts(self) -> ExternalParts:
        if self._external is None:
            raise InvariantViolation("a command of an external task while external tasks are off")
        return self._external

    async def _look(self, owned: OwnedPartition, lifecycle: Lifecycle, *, settle: bool) -> None:
        external = lifecycle.kind is Kind.EXTERNAL_TASK
        looked = await self._look_of(lifecycle)(owned, lifecycle, settle=settle)
        if looked is not None:
            self._reach("looked")
            self._feed(owned, lifecycle, looked)
            if external and len(looked.candidates) > 1:
                self.found_twice(owned)

    def _look_of(self, lifecycle: Lifecycle) -> MakeLook:
        if lifecycle.kind is Kind.EXTERNAL_TASK:
            return self._external_parts().looks.look
        return self._holds.look if self._holds.are_meant_by(lifecycle) else self._recovery.look

    # --- plumbing -------------------------------------------------------------------------------------------------

    def _feed(self, owned: OwnedPartition, lifecycle: Lifecycle, event: AnyInput) -> None:
        self._loop().feed(owned, lifecycle.birth, event)

    def _loop(self) -> Feedback:
        if self.feedback is None:
            raise InvariantViolation("a command ran before the engine was wired")
        return self.feedback

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._loop().fail(error)


def _not_sent(lifecycle: Lifecycle, failures: int) -> CancelAnswered:
    """Of the cancel of its present Task: to be asked again."""
    return CancelAnswered(lifecycle.task_id or "", CancelAnswer.UNAVAILABLE, failures)


_EXTERNAL_CALLS = {"POST": "createExternalTask", "PUT": "updateTask"}
"""Names of the two calls of an external task, as the catalogue has them."""


def http_call(lifecycle: Lifecycle, request: StoredRequest) -> HttpCall:
    """The call of a lifecycle's present attempt."""
    external = lifecycle.kind is Kind.EXTERNAL_TASK
    return HttpCall(
        operation=_EXTERNAL_CALLS[request.method] if external else lifecycle.operation or "",
        method=request.method,
        path=request.path,
        query=dict(request.query),
        body=json.loads(request.body) if request.body is not None else None,
        media_type=request.media_type,
        call_id=lifecycle.birth.call_id(lifecycle.attempt),
        organization=None if external else lifecycle.organization,
    )
