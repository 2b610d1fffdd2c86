"""``vcd-bridge requests list|show|retry|resolve|cancel``."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.console import note, write, write_json
from bridge.cli.interrupting import interruptible
from bridge.cli.options import ConfigOption, JsonOption, UsageError, load_settings, login_name

if TYPE_CHECKING:
    from bridge.cli.requests.acting import Watched, Word
    from bridge.cli.requests.advice import Judge
    from bridge.settings import Settings

WAIT_SECONDS = 30.0

requests = typer.Typer(
    help="What is open, parked above all: look at it, drive it. Bridges may run meanwhile; their group is not joined."
)

NameArgument = Annotated[
    str, typer.Argument(metavar="ID|BIRTH", help="Request id, external key, or birth (topic/partition/offset).")
]
KeyOption = Annotated[
    str | None, typer.Option(help="Record key; default: that of the target's own record, on its partition.")
]
ByOption = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who says so; default: your login.")]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is known what became of it.")]
TimeoutOption = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="How long to wait.")]


@requests.command("list")
@interruptible
def list_(
    config: ConfigOption = None,
    parked: Annotated[bool, typer.Option("--parked", help="Only what waits for an operator.")] = False,
    phase: Annotated[list[str] | None, typer.Option(help="Only this phase; may be given again.")] = None,
    operation: Annotated[str | None, typer.Option(metavar="PATTERN", help="E.g. '*VApp'.")] = None,
    entity: Annotated[str | None, typer.Option(metavar="ID", help="In any spelling, or a part of its path.")] = None,
    older_than: Annotated[str | None, typer.Option(metavar="SPAN", help="Received longer ago, e.g. 2h.")] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            help="action_request, external_task, control, observation; or observed_task, blocking_task: what "
            "observations have seen is shown only so."
        ),
    ] = None,
    ended: Annotated[bool, typer.Option("--ended", help="Also what ended, within the dedupe window.")] = False,
    since: Annotated[
        str | None, typer.Option(metavar="TIME|SPAN", help="With --ended: not what ended before, e.g. 1d.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows of the table; --json has all.")] = 200,
    json: JsonOption = False,
) -> None:
    """Open requests, external tasks, and records that wait for one; parked ones first, the oldest first."""
    from bridge.cli.requests.filters import Filter, kind_named, moment, phases_named, span
    from bridge.cli.requests.known import read_known
    from bridge.cli.requests.listing import in_order, write_documents, write_found
    from bridge.core.lifecycle import Phase

    now = datetime.now(UTC)
    if since is not None and not ended:
        raise UsageError("--since goes with --ended", hint="--older-than is about what is open")
    wanted = Filter(
        phases=(*phases_named(phase or []), *((Phase.PARKED,) if parked else ())),
        operation=operation,
        entity=entity,
        kind=kind_named(kind),
        received_before=now - span(older_than, "--older-than") if older_than is not None else None,
        ended_since=moment(since, "--since", now) if since is not None else None,
    )
    settings = load_settings(config).settings
    known = read_known(settings, ended=ended, ended_since=wanted.ended_since, choose=lambda _: wanted.takes_record)
    found = in_order([one for one in known.lifecycles.values() if wanted.takes(one)])
    endings = sorted((one for one in known.ended if wanted.takes_ended(one)), key=lambda one: one.ended_at)
    endings.reverse()
    if json:
        write_documents(found, endings)
    else:
        write_found(found, endings, known.now, limit)
    if known.unreadable:
        raise typer.Exit(1)


@requests.command()
@interruptible
def show(name: NameArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Everything about one: where it stands and why, its events so far, and what an operator can do now.

    Bodies and queries are never shown. Exit code 1 when nothing of that name is known.
    """
    from bridge.cli.connections import kafka_config
    from bridge.cli.requests.known import About, read_known
    from bridge.cli.requests.showing import Shown, document, write_shown
    from bridge.cli.requests.story import told_of
    from bridge.core.lifecycle import Lifecycle
    from bridge.engine.partition.lanes import ahead_in_lane

    settings = load_settings(config).settings
    about = About(name)
    known = read_known(settings, ended=True, requests=True, choose=about.choose, takes_ended=about.takes_ended)
    one = known.one(name)
    if one is None:
        note(f"nothing called {name!r} is open, or ended within {settings.intake.dedupe_window_days:g} days")
        raise typer.Exit(1)
    shown = Shown(
        one=one,
        request=known.requests.get(one.birth),
        ahead=ahead_in_lane(one, known.lifecycles.values()) if isinstance(one, Lifecycle) else (),
        events=asyncio.run(told_of(settings, kafka_config(settings), one)),
        judge=_judge(settings, known.now),
    )
    if json:
        write_json(document(shown))
    else:
        write_shown(shown)


@requests.command()
@interruptible
def retry(
    name: NameArgument,
    config: ConfigOption = None,
    by: ByOption = None,
    key: KeyOption = None,
    wait: WaitOption = True,
    timeout: TimeoutOption = WAIT_SECONDS,
    json: JsonOption = False,
) -> None:
    """Have a parked request called again: your word that the calls so far did nothing."""
    _speak(config, "retry", name, {"by": by}, key, timeout if wait else None, as_json=json)


@requests.command()
@interruptible
def resolve(
    name: NameArgument,
    reason: Annotated[str, typer.Option(help="Why; told on the event, and kept in the record.")],
    config: ConfigOption = None,
    outcome: Annotated[str | None, typer.Option(help="How it ended: success, error, aborted, canceled, …")] = None,
    task: Annotated[str | None, typer.Option(metavar="HREF", help="Address of the Task to follow instead.")] = None,
    by: ByOption = None,
    key: KeyOption = None,
    wait: WaitOption = True,
    timeout: TimeoutOption = WAIT_SECONDS,
    json: JsonOption = False,
) -> None:
    """Settle a parked request by hand: how it ended, or which Task is its own."""
    said = {"by": by, "reason": reason, "outcome": outcome, "task_href": task}
    _speak(config, "resolve", name, said, key, timeout if wait else None, as_json=json)


@requests.command()
@interruptible
def cancel(
    name: NameArgument,
    config: ConfigOption = None,
    by: ByOption = None,
    key: KeyOption = None,
    wait: WaitOption = True,
    timeout: TimeoutOption = WAIT_SECONDS,
    json: JsonOption = False,
) -> None:
    """Take a request back: before its call for good, a followed Task as VCD allows, a parked one gives it up."""
    _speak(config, "cancel", name, {"by": by}, key, timeout if wait else None, as_json=json)


# --- an operator's word -----------------------------------------------------------------------------------------------


def _speak(
    config: Any,
    verb: str,
    name: str,
    said: dict[str, str | None],
    key: str | None,
    seconds: float | None,
    *,
    as_json: bool,
) -> None:
    """``seconds``: how long to wait for what becomes of it; None: not at all. Ends with 1 when it has no effect."""
    from bridge.cli.connections import kafka_config
    from bridge.cli.requests.acting import (
        Result,
        Watched,
        only,
        places_to_watch,
        refuse_others,
        send_word,
        watch_word,
    )
    from bridge.cli.requests.known import About, read_known

    word = _word(verb, name, said)
    settings = load_settings(config).settings
    connection = kafka_config(settings)
    about = About(name, word.task_id)
    known = read_known(settings, ended=True, choose=about.choose, takes_ended=about.takes_ended)
    target = known.one(name)
    refuse_others(word, target)
    objection = _judge(settings, known.now).objection(target, name, word.wanted)
    if objection is None and target is not None and word.task_id is not None:
        holder = known.holder(word.task_id, target.birth)
        objection = f"{word.task_id} is the Task of {holder.birth}" if holder is not None else None
    if objection is not None:
        note(f"as it stands this will be refused: {objection}")
    places = places_to_watch(settings, connection, known, target)
    sent = send_word(settings, connection, word, target, key)
    watched = Watched(sent, target.birth if target is not None else None)
    if not as_json:
        write(f"{verb} of {name} by {word.by} at {sent}")
    if seconds is not None:
        asyncio.run(watch_word(settings, connection, watched, only(places, settings, sent.partition), seconds))
    result = watched.result if seconds is not None else Result.SENT
    if as_json:
        _write_result(word, watched, result, objection)
    else:
        _tell_result(watched, result, name)
    if not result.is_good:
        raise typer.Exit(1)


def _word(verb: str, name: str, said: dict[str, str | None]) -> Word:
    from bridge.cli.requests.acting import Word
    from bridge.core.events import RESOLVABLE

    outcome, task, by = said.get("outcome"), said.get("task_href"), said["by"] or login_name()
    if by is None:
        raise UsageError("this user has no name: say --by", hint="it is kept in the record, and told with the event")
    word = Word(verb=verb, name=name, by=by, outcome=outcome, task_href=task, reason=said.get("reason"))
    if verb == "resolve":
        if (outcome is None) == (task is None):
            raise UsageError("resolve needs one of --outcome and --task", hint="how it ended, or which Task to follow")
        if outcome is not None and outcome not in RESOLVABLE:
            raise UsageError(f"--outcome takes {', '.join(RESOLVABLE)}, not {outcome!r}")
        if task is not None and word.task_id is None:
            raise UsageError(f"--task: {task!r} is not the address of a Task", hint="https://…/api/task/<uuid>")
        if not (word.reason or "").strip():
            raise UsageError("resolve needs a --reason", hint="it is what the next person reads")
    return word


def _judge(settings: Settings, now: datetime) -> Judge:
    from bridge.assembly import facts_of
    from bridge.catalogue.load import load
    from bridge.cli.requests.advice import Judge
    from bridge.wiring import policies

    return Judge(now, facts_of(load()), policies(settings).rules)


def _write_result(word: Word, watched: Watched, result: str, objection: str | None) -> None:
    from bridge.avro.event_decoder import to_json

    event = watched.refusal or watched.told
    write_json({
        "kind": word.verb, "target_request_id": word.name, "by": word.by, "birth": str(watched.sent),
        "target": str(watched.target) if watched.target is not None else None, "result": result,
        "warning": objection, "phase": watched.state.phase.value if watched.state is not None else None,
        "event": to_json(event) if event is not None else None,
    })  # fmt: skip


def _tell_result(watched: Watched, result: str, name: str) -> None:
    from bridge.cli.console import out_console
    from bridge.cli.timeline import event_line

    event = watched.refusal or watched.told
    match result:
        case "told" | "refused" if event is not None:
            out_console().print(event_line(event), soft_wrap=True)
        case "taken":
            phase = f"; it is {watched.state.phase}" if watched.state is not None else ""
            note(f"taken{phase}; nothing has been told since: vcd-bridge requests show {name}")
        case "waits":
            note(f"no {name} on its partition yet: the record waits for it, bounded, and is rejected then")
        case "unread":
            note("no bridge has read it yet; it is durable and counts as soon as one does. Is one running?")
        case _:
            pass
