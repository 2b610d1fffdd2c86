"""Cancel, retry and resolve records: they act on another lifecycle, or wait for it."""

from __future__ import annotations

from dataclasses import replace

from bridge.core.commands import Decision
from bridge.core.coordinates import Birth
from bridge.core.events import Reason
from bridge.core.inputs import CancelWanted, ResolveWanted, RetryWanted
from bridge.core.lifecycle import Ended, Kind, Lifecycle, Phase
from bridge.core.opening import Asker, open_control, reject, unknown_target
from bridge.core.requests import ActionRequest, RequestKind, Resolution
from bridge.engine.round import PartitionRound


def take_control(work: PartitionRound, who: Asker, record: ActionRequest) -> None:
    """A control record: act on its target, wait for it, or say why neither."""
    target = work.known(record.target_request_id or "")
    if target is None:
        work.open(Decision(open_control(work.now, who, record, work.rules)), None)
    elif isinstance(target, Ended):
        _refuse(work, who, f"the request has already ended ({target.outcome})")
    else:
        wanted = _input(record.kind, record.resolution, who.requested_by)
        _act(work, who, target.birth, wanted)


def target_came(work: PartitionRound, request_id: str, target: Birth) -> None:
    """A lifecycle was opened: let the control records that waited for it act, in their order."""
    for control in _waiting_for(work, request_id):
        kind = RequestKind(control.control or RequestKind.CANCEL)
        resolution = Resolution(
            outcome=control.resolution_outcome,
            task_href=control.resolution_task_href,
            reason=control.resolution_reason,
            decided_by=control.resolution_decided_by,
        )
        _act(work, _asker(control), target, _input(kind, resolution, control.requested_by))
        work.changed[control.birth] = replace(control, phase=Phase.ENDED, ended_at=work.now)


def control_woke(work: PartitionRound, control: Lifecycle) -> None:
    """The wait of a control record is over: its target never came."""
    if control.wake_at is not None and work.now >= control.wake_at:
        work.answer(unknown_target(work.now, _asker(control), control.target_request_id))
        work.changed[control.birth] = replace(control, phase=Phase.ENDED, ended_at=work.now)


def _act(work: PartitionRound, who: Asker, target: Birth, wanted: CancelWanted | RetryWanted | ResolveWanted) -> None:
    decision = work.apply(target, wanted)
    if decision is not None and decision.refusal is not None:
        _refuse(work, who, decision.refusal)


def _refuse(work: PartitionRound, who: Asker, why: str) -> None:
    work.answer(reject(work.now, who, Reason("not_possible", why, "target_request_id")))


def _input(
    kind: RequestKind, resolution: Resolution | None, requested_by: str | None
) -> CancelWanted | RetryWanted | ResolveWanted:
    if kind is RequestKind.RETRY:
        return RetryWanted(requested_by)
    if kind is RequestKind.RESOLVE:
        return ResolveWanted(resolution or Resolution(), requested_by)
    return CancelWanted(requested_by)


def _waiting_for(work: PartitionRound, request_id: str) -> list[Lifecycle]:
    births = set(work.owned.pending_controls.get(request_id, ()))
    births |= {
        birth
        for birth, lifecycle in work.changed.items()
        if lifecycle.kind is Kind.CONTROL and lifecycle.target_request_id == request_id
    }
    found = (work.current(birth) for birth in sorted(births))
    return [control for control in found if control is not None and control.phase is Phase.PENDING]


def _asker(control: Lifecycle) -> Asker:
    return Asker(
        birth=control.birth,
        key=control.key,
        request_id=control.request_id,
        correlation_id=control.correlation_id,
        requested_by=control.requested_by,
        operation=control.operation,
        traceparent=control.traceparent,
    )
