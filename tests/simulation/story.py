"""A run as a story for people: when, who, what. Only of the requests that are in question, and what befell them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from tests.simulation.loop import EPOCH
from tests.support.checker.evidence import (
    ExternalRecord,
    InputRecord,
    LedgerCall,
    ObservationRecord,
    StateWrite,
    story_id,
)

if TYPE_CHECKING:
    from tests.simulation.world import Run

Line = tuple[float, str, str]
"""When, who, what."""

_BEFORE, _AFTER = 15.0, 5.0
"""Seconds around the requests' own lines in which faults are told."""


def story(run: Run) -> list[str]:
    """Lines, in order of time. Of a run that broke: all that befell it."""
    births = {birth for violation in run.found for birth in violation.births}
    if run.broken is not None:
        return [_line(line) for line in sorted(_faults(run), key=lambda line: line[0])]
    own = [*_inputs(run, births), *_store(run, births), *_told(run, births), *_calls(run, births)]
    own += _observed(run, births)
    if not own:
        own = [(0.0, "", ""), (float("inf"), "", "")]
    first, last = min(line[0] for line in own) - _BEFORE, max(line[0] for line in own) + _AFTER
    around = [line for line in _faults(run) if first <= line[0] <= last]
    return [_line(line) for line in sorted([*own, *around], key=lambda line: line[0]) if line[2]]


def _line(line: Line) -> str:
    return f"{line[0]:9.3f}  {line[1]:<12} {line[2]}"


def _since_start(at: float) -> float:
    return at - EPOCH.timestamp()


def _faults(run: Run) -> Iterator[Line]:
    return ((at, "", f"*** {what}") for at, what in run.world.chaos.happened)


def _inputs(run: Run, births: Collection[str]) -> Iterator[Line]:
    """Records of these stories, and those that are about them."""
    named = {record.name for record in run.world.inputs if record.birth in births}
    for record in run.world.inputs:
        about = record.target in named and not record.opens
        if record.birth in births or (record.name in named and record.name is not None) or about:
            yield run.world.sent_at[record.birth], "sender", f"{record.birth}: {_shown(record)}"


def _shown(record: InputRecord) -> str:
    document: dict[str, Any] = dict(record.document or {})
    key = f" {record.key}" if isinstance(record, ExternalRecord | ObservationRecord) else ""
    return f"{record.kind}{key} {document}"


def _store(run: Run, births: Collection[str]) -> Iterator[Line]:
    for write in run.world.outsider.writes:
        if isinstance(write, StateWrite) and write.birth in births:
            phase = write.phase if write.phase is not None else "ended, tombstone"
            more = f" attempt {write.attempt}" if write.attempt else ""
            more += f" {write.task_id}" if write.task_id else ""
            more += " (cancel wanted)" if write.cancel_wanted else ""
            more += f" up to {_since_start(write.order.position):.3f}" if write.order is not None else ""
            where = f"offset {write.offset}, transaction {write.transaction}"
            yield _since_start(write.at), write.writer[-12:], f"{write.birth} stored: {phase}{more} ({where})"


def _told(run: Run, births: Collection[str]) -> Iterator[Line]:
    outside = run.world.outsider
    for event in outside.events:
        if event["birth"] in births:
            reason, task = event.get("reason") or {}, event.get("task") or {}
            said = " ".join(
                str(part)
                for part in (
                    event["change"], event["outcome"] or "", task.get("id") or "", task.get("status") or "",
                    f"{reason.get('code')}: {reason.get('message')}" if reason else "",
                )
                if part
            )  # fmt: skip
            yield _since_start(outside.event_times[event["event_id"]]), "events", f"{event['event_id']} {said}"
            for seen in event.get("evidence") or ():
                yield _since_start(outside.event_times[event["event_id"]]), "", f"    seen: {seen}"


def _calls(run: Run, births: Collection[str]) -> Iterator[Line]:
    stems = {story_id(birth): birth for birth in births}
    tasks: set[str] = set()
    for call in run.world.vcd.ledger:
        if call.story in stems:
            tasks |= {call.task_id} if call.task_id is not None else set()
            yield _since_start(call.at), "VCD", f"{stems[call.story]}: {_carried_out(call)}"
    for at, process, call_id, said in run.world.vcd.heard:
        stem = call_id[: len("vb-") + 32]
        if stem in stems:
            yield at, process[-12:], f"{stems[stem]}: {call_id[-14:]} answered: {said}"
    for task in run.world.vcd.tasks:
        if task.id in tasks:
            yield task.ends, "VCD", f"{task.id} ends: {task.end_status}"


def _observed(run: Run, births: Collection[str]) -> Iterator[Line]:
    """The Tasks that observations have seen, or that they should have."""
    writes = (one for one in run.world.outsider.writes if isinstance(one, StateWrite) and one.birth in births)
    seen = {write.sighting.task_id for write in writes if write.sighting is not None}
    for task in run.world.vcd.tasks:
        if task.id in seen or any(task.id in violation for violation in run.found):
            late = f", listed {task.rows_late:.1f} s late" if task.rows_late else ""
            yield task.began, "VCD", f"{task.id} of {task.organization.name} begins{late}"
            yield task.ends, "VCD", f"{task.id} of {task.organization.name} ends: {task.end_status}"
            for (since, until), what in ((task.unlisted, "is on no list"), (task.gone, "is shown to nobody")):
                if until:
                    yield since, "VCD", f"{task.id} {what} until {until:.3f}"


def _carried_out(call: LedgerCall) -> str:
    effect = f", effect{f' {call.task_id}' if call.task_id else ''}" if call.effect else ""
    late = ", long on its way" if call.delayed else ""
    return f"{call.call_id[-14:]} {call.operation} of {(call.process or '')[-12:]}: {call.status}{effect}{late}"
