"""``vcd-bridge dead-letters list|show|replay``."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.console import ask, note, printable, write, write_json, write_json_line
from bridge.cli.interrupting import interruptible
from bridge.cli.options import ConfigOption, JsonOption, UsageError, load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bridge.cli.dead_letters.finding import Letters
    from bridge.cli.dead_letters.letter import Filter, Letter
    from bridge.cli.dead_letters.replaying import Inputs, Replayed
    from bridge.kafka.clients import ReadRecord

dead_letters = typer.Typer(
    help="Records that could not be read: look at them, have them read once more. Bridges may run meanwhile."
)

AT_HELP = "Of the dead letter, or of the record that died: topic/partition/offset."
TopicOption = Annotated[str | None, typer.Option(help="Only what came from this topic.")]
ReasonOption = Annotated[str | None, typer.Option(metavar="PATTERN", help="E.g. 'Unknown*'; see `list`.")]
SinceOption = Annotated[str | None, typer.Option(metavar="TIME|SPAN", help="Dead since then, e.g. 2h.")]
UntilOption = Annotated[str | None, typer.Option(metavar="TIME|SPAN", help="Dead before that.")]


@dead_letters.command("list")
@interruptible
def list_(
    config: ConfigOption = None,
    topic: TopicOption = None,
    reason: ReasonOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows of the table; --json has all.")] = 200,
    json: JsonOption = False,
) -> None:
    """What lies on the topic of dead letters, the newest first: where it came from and why it could not be read."""
    from bridge.cli.dead_letters.letter import document_of
    from bridge.cli.dead_letters.showing import newest_first, write_found

    letters, _ = _connected(config)
    found = letters.find(_filter(topic, reason, since, until))
    if json:
        for letter in newest_first(found):
            write_json_line(document_of(letter))
    else:
        write_found(found, limit, datetime.now(UTC))


@dead_letters.command()
@interruptible
def show(
    at: Annotated[str, typer.Argument(metavar="COORDINATES", help=AT_HELP)],
    config: ConfigOption = None,
    content: Annotated[
        bool, typer.Option("--content", help="Also key, value and headers: they can hold secrets.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Everything about one. Exit code 1 when there is none."""
    from bridge.cli.dead_letters.replaying import NOT_HELD
    from bridge.cli.dead_letters.showing import Shown, document, write_shown

    letters, inputs = _connected(config)
    letter = _one(letters, at)
    objection = inputs.objection(letter)
    originals: list[ReadRecord | None] = []
    if objection is None or letter.digest is None:
        letters.records([letter], lambda record: originals.append(letters.original(letter, record)))
    record = originals[0] if originals else None
    if objection is None and record is None:
        objection = NOT_HELD
    shown = Shown(letter=letter, record=record, objection=objection, with_content=content)
    if json:
        write_json(document(shown))
    else:
        write_shown(shown)


@dead_letters.command()
@interruptible
def replay(
    at: Annotated[list[str] | None, typer.Argument(metavar="COORDINATES", help=AT_HELP)] = None,
    config: ConfigOption = None,
    topic: TopicOption = None,
    reason: ReasonOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Write dead letters once more to the topic that they came from, those named or all that fit the filters.

    Key, value and headers are those of the record that died, with the header vb_replay_of behind them. It is a new
    record: what was told of the first one stays told. Exit code 1 when not all of them were written.
    """
    wanted = _filter(topic, reason, since, until)
    if bool(at) is not wanted.is_empty:
        raise UsageError("replay takes coordinates or filters, one of the two", hint="--since 30d takes all there are")
    letters, inputs = _connected(config)
    chosen = [_one(letters, one) for one in dict.fromkeys(at)] if at else letters.find(wanted)
    if not chosen:
        note("no dead letter fits")
        raise typer.Exit(1)
    if not _agreed(chosen, inputs, yes=yes) or not _written(letters, inputs, chosen, as_json=json):
        raise typer.Exit(1)


def _connected(config: Path | None) -> tuple[Letters, Inputs]:
    from bridge.cli.connections import kafka_config
    from bridge.cli.dead_letters.finding import Letters
    from bridge.cli.dead_letters.replaying import Inputs
    from bridge.kafka.clients import look
    from bridge.settings.naming import topic_names

    settings = load_settings(config).settings
    connection, names = kafka_config(settings), topic_names(settings)
    cluster = look(connection)
    return Letters(connection, names.dead_letters), Inputs({one: cluster.partitions(one) for one in names.inputs})


def _filter(topic: str | None, reason: str | None, since: str | None, until: str | None) -> Filter:
    from bridge.cli.dead_letters.letter import Filter
    from bridge.cli.requests.filters import moment

    now = datetime.now(UTC)
    return Filter(
        topic=topic,
        reason=reason,
        since=moment(since, "--since", now) if since is not None else None,
        until=moment(until, "--until", now) if until is not None else None,
    )


def _one(letters: Letters, at: str) -> Letter:
    letter = letters.one(at)
    if letter is None:
        note(f"{letters.topic} holds no dead letter {at}")
        raise typer.Exit(1)
    return letter


def _agreed(chosen: Sequence[Letter], inputs: Inputs, *, yes: bool) -> bool:
    """Asks a person. Raises UsageError where nobody is there to be asked."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("nobody is here to be asked", hint="--yes replays without asking")
    from bridge.cli.dead_letters.showing import counted

    topics = Counter(one.origin.topic for one in chosen if one.origin is not None and inputs.objection(one) is None)
    into = ", ".join(f"{count} to {topic}" for topic, count in sorted(topics.items())) or "none"
    return ask(f"{counted(len(chosen))}; to be written once more: {into}. Go on?")


def _written(letters: Letters, inputs: Inputs, chosen: Sequence[Letter], *, as_json: bool) -> bool:
    """Whether all were."""
    from bridge.cli.dead_letters.replaying import Replay

    refused: list[Replayed] = []

    def tell(one: Replayed) -> None:
        if one.refusal is not None:
            refused.append(one)
        if as_json:
            write_json_line({
                "dead_letter": str(one.letter.at), "origin": str(one.letter.origin) if one.letter.origin else None,
                "birth": str(one.birth) if one.birth is not None else None, "refusal": one.refusal,
            })  # fmt: skip
        elif one.refusal is None:
            write(printable(f"{one.letter.origin} again at {one.birth}"))
        else:
            note(f"{one.letter.at} is not replayed: {one.refusal}")

    Replay(letters, inputs, tell).write(chosen)
    return not refused
