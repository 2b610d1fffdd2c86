"""``vcd-bridge requests show``: everything about one lifecycle. Never a body, a query or a header of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bridge.cli.console import out_console, printable, write
from bridge.cli.requests.advice import Judge, Possible
from bridge.cli.requests.words import document_of, kind_of, length, name_of, since_of, where_of, why_of
from bridge.cli.timeline import any_line
from bridge.core.deciding import next_wake
from bridge.core.lifecycle import Ended, Kind, Lifecycle, Phase, StoredRequest
from bridge.core.observation_parts import OrderPart, SightedPart
from bridge.core.rules import Rules
from bridge.core.times import to_text

_MOST_AHEAD = 10
_CALLING = frozenset({Kind.ACTION_REQUEST, Kind.EXTERNAL_TASK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One lifecycle with what surrounds it. ``ahead``: who stands before it in its lane. ``events``: as decoded."""

    one: Lifecycle | Ended
    request: StoredRequest | None
    ahead: Sequence[Lifecycle]
    events: Sequence[Mapping[str, Any]]
    judge: Judge

    @property
    def possible(self) -> list[Possible]:
        return self.judge.possible(self.one) if isinstance(self.one, Lifecycle) else []


def document(shown: Shown) -> dict[str, Any]:
    """``show --json``."""
    one = shown.one
    found = document_of(one) | {"events": [_event(event) for event in shown.events]}
    if isinstance(one, Ended):
        return found
    return found | {
        "waits_for": waits_for(one, shown.ahead, shown.judge.rules),
        "deadlines": {what: to_text(when) for what, when in deadlines(one, shown.judge.rules)},
        "ahead_in_lane": [document_of(other) for other in shown.ahead],
        "request": _request(shown.request),
        "http_status": one.http_status,
        "vcd_request_id": one.vcd_request_id,
        "call_id": one.birth.call_id(one.attempt) if one.attempt else None,
        "evidence": _evidence(shown),
        "possible": [{"command": verb.command, "effect": verb.effect} for verb in shown.possible],
        "not_retried_because": shown.judge.impossible(one),
    }


def write_shown(shown: Shown) -> None:
    """For people: facts, then its story, then what can be done."""
    one = shown.one
    write(printable(f"{name_of(one)}  {kind_of(one)}  {one.birth}"))
    facts = _facts_of_ended(one, shown.judge.now) if isinstance(one, Ended) else _facts(one, shown)
    for name, value in facts:
        if value:
            write(printable(f"  {name:<12} {value}"))
    for number, line in enumerate(_evidence(shown)):
        write(printable(f"  {'evidence' if number == 0 else '':<12} {line}"))
    write("")
    if not shown.events:
        write("  nothing is told of it on the topic of events (yet, or any more)")
    console = out_console()
    for event in shown.events:
        console.print(any_line(event), soft_wrap=True)
    _write_possible(shown)


def waits_for(one: Lifecycle, ahead: Sequence[Lifecycle], rules: Rules) -> str:
    """What has to happen next, in one line."""
    if one.kind is Kind.CONTROL:
        return f"waits for {one.target_request_id} to come on this partition, then is a {one.control} of it"
    behind = f"{len(ahead)} before it in its lane, the first is {name_of(ahead[0])}" if ahead else ""
    match one.phase:
        case Phase.RESOLVING:
            return _named(one)
        case Phase.RECEIVED:
            return behind or "a free permit for its call"
        case Phase.WAITING:
            return behind or _waiting(one)
        case Phase.INTENT:
            return f"VCD's answer to attempt {one.attempt}"
        case Phase.UNSURE:
            return f"a look at VCD: what became of attempt {one.attempt} ({one.unsure_code}) is not known"
        case Phase.FOLLOWING if one.kind is Kind.EXTERNAL_TASK:
            return "its owner's next update or finish"
        case Phase.FOLLOWING | Phase.STOPPING | Phase.KEPT if one.observation is not None:
            return _observed(one)
        case Phase.FOLLOWING:
            return f"the end of {one.task_id}" + (", which it was asked to cancel" if one.cancel_wanted else "")
        case Phase.PARKED:
            return "an operator" if one.kind is Kind.ACTION_REQUEST else "its owner's next command"
        case _:
            return ""


def _named(one: Lifecycle) -> str:
    if one.kind is Kind.OBSERVATION:
        return "VCD's word on the organization that it names"
    if one.kind is Kind.ACTION_REQUEST:
        return "VCD's word on whether the blocking task is held"
    return "VCD's word on the organization, owner and user that it names"


def _observed(one: Lifecycle) -> str:
    match one.observation, one.phase:
        case OrderPart(), Phase.STOPPING:
            return "what it has seen to be forgotten"
        case OrderPart(position=position), _:
            return f"its next look: told is what ended up to {to_text(position)}" if position is not None else ""
        case SightedPart(id=urn), Phase.FOLLOWING:
            return f"the end of {urn}"
        case SightedPart(ended_at=ended_at), _:
            return f"no look to show its end again, of {to_text(ended_at)}" if ended_at is not None else ""
        case _:
            return ""


def _waiting(one: Lifecycle) -> str:
    what = f"{one.waiting_for} to end, which holds the entity" if one.waiting_for else "its next try"
    return f"{what}, at the latest at {to_text(one.wake_at)}" if one.wake_at is not None else "a free permit"


def deadlines(one: Lifecycle, rules: Rules) -> list[tuple[str, datetime]]:
    """What is still to come, by name."""
    found: list[tuple[str, datetime | None]] = [
        ("start_by", one.start_by if one.phase in {Phase.RECEIVED, Phase.WAITING} else None),
        ("watch_until", one.watch_until if not one.overdue else None),
        ("lane_released", _lane_release(one, rules.parked_lane_release)),
        ("owner_silent", one.expires_at),
        ("given_up", one.wake_at if one.phase is Phase.PENDING else None),
        ("next_wake", next_wake(one, rules)),
    ]
    return [(name, when) for name, when in found if when is not None]


def _lane_release(one: Lifecycle, after: timedelta) -> datetime | None:
    parked = one.phase is Phase.PARKED and one.holds_lane and one.parked_at is not None
    return one.parked_at + after if parked and one.parked_at is not None else None


def _facts(one: Lifecycle, shown: Shown) -> list[tuple[str, str]]:
    now, rules, request = shown.judge.now, shown.judge.rules, shown.request
    attempts = f"{one.attempt} ({one.tries} of {rules.max_tries} tries that count)" if one.attempt else "not called yet"
    call = f"{request.method} /api{request.path}" if request is not None and request.method else ""
    due = "; ".join(
        f"{name} {to_text(when)} ({_distance(when - now)})"
        for name, when in deadlines(one, rules)
        if name != "next_wake"
    )
    lane = ""
    if one.lane is not None:
        held = "" if one.holds_lane else " (not held any more)"
        lane = f"{one.lane}{held}"
    return [
        ("operation", one.operation or ""),
        ("about", where_of(one)),
        ("organization", one.organization or ""),
        ("call", call),
        ("content", one.content_hash),
        ("phase", f"{one.phase.value} for {length(now - since_of(one))}{_in_brackets(why_of(one))}"),
        ("waits for", waits_for(one, shown.ahead, rules)),
        ("received", f"{to_text(one.received_at)} ({length(now - one.received_at)} ago)"),
        ("attempts", attempts if one.kind in _CALLING else ""),
        ("in doubt", f"attempt {one.attempt}: {one.unsure_code}" if one.unsure_code is not None else ""),
        ("intent", to_text(one.intent_at) if one.intent_at is not None else ""),
        ("deadlines", due),
        ("lane", lane),
        *(("ahead", f"{name_of(other)} {other.phase.value} {other.operation or ''}") for other in _first(shown.ahead)),
        ("task", f"{one.task_id} {one.task_href or ''}" if one.task_id else ""),
        ("answer", f"HTTP {one.http_status}, VCD's request {one.vcd_request_id}" if one.http_status else ""),
        ("asked by", one.requested_by or ""),
        ("correlation", one.correlation_id or ""),
    ]


def _facts_of_ended(one: Ended, now: datetime) -> list[tuple[str, str]]:
    return [
        ("ended", f"{one.outcome.value}, {to_text(one.ended_at)} ({length(now - one.ended_at)} ago)"),
        ("content", one.content_hash),
        ("task", one.task_id or ""),
        ("correlation", one.correlation_id or ""),
    ]


def _first(ahead: Sequence[Lifecycle]) -> Sequence[Lifecycle]:
    return ahead[:_MOST_AHEAD]


def _distance(span: timedelta) -> str:
    return f"in {length(span)}" if span >= timedelta() else f"{length(-span)} ago"


def _in_brackets(text: str) -> str:
    return f" ({text})" if text else ""


def _evidence(shown: Shown) -> list[str]:
    """Of what has been told last, and what no event has told yet."""
    told = [line for event in shown.events for line in event.get("evidence") or ()]
    untold = shown.one.evidence if isinstance(shown.one, Lifecycle) else ()
    return [*told, *untold]


def _write_possible(shown: Shown) -> None:
    if isinstance(shown.one, Ended):
        return
    write("")
    for verb in shown.possible:
        write(printable(f"  vcd-bridge {verb.command}"))
        write(f"      {verb.effect}")
    if not shown.possible:
        write("  nothing can be done about it by a record of its own")
    why_not = shown.judge.impossible(shown.one)
    if why_not is not None:
        write(printable(f"  no retry: {why_not}"))


def _request(request: StoredRequest | None) -> dict[str, Any] | None:
    if request is None or not request.method:
        return None
    return {
        "method": request.method, "path": request.path, "media_type": request.media_type,
        "body_bytes": len((request.body or "").encode(errors="replace")),
    }  # fmt: skip


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of an event that a story is read by; ``watch --json`` has it whole."""
    task = event.get("task") or {}
    time = event["observed_at"]
    return {
        "event_id": event["event_id"], "sequence": event["sequence"], "change": event.get("change"),
        "outcome": event.get("outcome"), "reason": event.get("reason"), "observed_at": _time(time),
        "status": task.get("status"), "progress": task.get("progress"), "task": task.get("id"),
        "evidence": list(event.get("evidence") or ()),
    }  # fmt: skip


def _time(value: object) -> object:
    from bridge.core.times import from_millis

    return to_text(from_millis(value)) if isinstance(value, int) else value
