"""Cancel, retry and resolve records: they act on another lifecycle, or wait for it."""

from __future__ import annotations

from bridge.core.action_request import named_task
from bridge.core.commands import Decision
from bridge.core.control import TargetCame, not_possible, unknown_target
from bridge.core.coordinates import Birth
from bridge.core.inputs import CancelWanted, ResolveWanted, RetryWanted
from bridge.core.lifecycle import Ended
from bridge.core.opening import Asker, open_control, reject
from bridge.core.requests import ActionRequest, RequestKind, Resolution
from bridge.engine.partition.round import PartitionRound


def take_control(work: PartitionRound, who: Asker, record: ActionRequest, *, may_wait: bool) -> None:
    """A control record: act on its target, wait for it where there is room to, or say why neither."""
    target = work.known(record.target_request_id or "")
    if target is None:
        if may_wait:
            work.open(Decision(open_control(work.now, who, record, work.rules)))
        else:
            work.answer(reject(work.now, who, unknown_target(record.target_request_id, waited=False)))
        return
    if isinstance(target, Ended):
        refusal: str | None = f"request {target.request_id!r} has already ended ({target.outcome})"
    else:
        refusal = _act(work, target.birth, _input(record.kind, record.resolution, who.requested_by))
    if refusal is not None:
        work.answer(reject(work.now, who, not_possible(refusal)))


def target_came(work: PartitionRound, request_id: str, target: Birth) -> None:
    """A lifecycle was opened: let the control records that waited for it act, in their order."""
    for control in work.waiting_for(request_id):
        kind = RequestKind(control.control or RequestKind.CANCEL)
        resolution = Resolution(
            outcome=control.resolution_outcome,
            task_href=control.resolution_task_href,
            reason=control.resolution_reason,
            decided_by=control.resolution_decided_by,
        )
        refusal = _act(work, target, _input(kind, resolution, control.requested_by))
        work.apply(control.birth, TargetCame(not_possible(refusal) if refusal is not None else None))


def _act(work: PartitionRound, target: Birth, wanted: CancelWanted | RetryWanted | ResolveWanted) -> str | None:
    """Why it could not be done, or None."""
    if isinstance(wanted, ResolveWanted) and (refusal := _of_another(work, target, wanted)) is not None:
        return refusal
    decision = work.apply(target, wanted)
    if decision is None or decision.refusal is None:
        return None
    return f"request {decision.lifecycle.request_id!r}: {decision.refusal}"


def _of_another(work: PartitionRound, target: Birth, wanted: ResolveWanted) -> str | None:
    """No Task is followed for two: a call made one, and that is told already where it belongs."""
    task_id = named_task(wanted.resolution)
    holder = work.holder_of(task_id) if task_id is not None else None
    if holder is None or holder == target:
        return None
    return f"{task_id} is the Task of {holder}: resolve with an outcome instead"


def _input(
    kind: RequestKind, resolution: Resolution | None, requested_by: str | None
) -> CancelWanted | RetryWanted | ResolveWanted:
    if kind is RequestKind.RETRY:
        return RetryWanted(requested_by)
    if kind is RequestKind.RESOLVE:
        return ResolveWanted(resolution or Resolution(), requested_by)
    return CancelWanted(requested_by)
