"""``vcd-bridge watch``: status events as they become visible."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.console import note, out_console, write_json_line
from bridge.cli.interrupting import interruptible
from bridge.cli.options import ConfigOption, JsonOption, UsageError, load_settings
from bridge.cli.timeline import any_line
from bridge.core.events import Stream

if TYPE_CHECKING:
    from bridge.settings import Settings

_GOOD_ENDS = frozenset({"success", "resumed"})
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events are wanted; None: all."""

    request: str | None = None
    correlation: str | None = None
    entity: str | None = None
    external: str | None = None

    def takes(self, event: Mapping[str, Any]) -> bool:
        return (
            (self.request is None or event.get("request_id") == self.request)
            and (self.external is None or event.get("external_key") == self.external)
            and (self.correlation is None or event["correlation_id"] == self.correlation)
            and (self.entity is None or self._is_of_entity(event))
        )

    def _is_of_entity(self, event: Mapping[str, Any]) -> bool:
        """By the uuid in any spelling, else by name. Only events with a Task name their entity."""
        owner = (event.get("task") or {}).get("owner") or {}
        wanted = _UUID.findall(self.entity or "")
        if not wanted:
            return bool(owner.get("name") == self.entity)
        return wanted[-1].lower() in f"{owner.get('id')} {owner.get('href')}".lower()


@dataclass(frozen=True, slots=True)
class End:
    """When to end, besides by Ctrl-C. ``deadline``: of the monotonic clock."""

    with_final: bool = False
    with_topic: bool = False
    deadline: float | None = None

    def is_due(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline


@interruptible
def watch(
    config: ConfigOption = None,
    request: Annotated[str | None, typer.Option(metavar="ID", help="Only this request.")] = None,
    external: Annotated[str | None, typer.Option(metavar="KEY", help="Only this external task.")] = None,
    observed: Annotated[bool, typer.Option("--observed", help="Events of observed Tasks instead.")] = False,
    blocking: Annotated[bool, typer.Option("--blocking", help="Events of blocking tasks instead.")] = False,
    correlation: Annotated[str | None, typer.Option(metavar="ID", help="Only this correlation id.")] = None,
    entity: Annotated[
        str | None,
        typer.Option(
            metavar="ID|NAME",
            help="Only Tasks that this entity owns. What has no Task (waiting, rejected, expired) names no entity and "
            "is not shown.",
        ),
    ] = None,
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="Also what was told before.")] = False,
    until_end: Annotated[bool, typer.Option("--until-end", help="Only what was told before, then end.")] = False,
    until_final: Annotated[bool, typer.Option("--until-final", help="End with the first final event.")] = False,
    timeout: Annotated[float | None, typer.Option(min=0, metavar="SECONDS", help="End then, with exit code 1.")] = None,
    json: JsonOption = False,
) -> None:
    """Show status events live, decoded.

    With --until-final the exit code is 0 when the story ended in success (a blocking task: was resumed), otherwise 1.
    """
    settings = load_settings(config).settings
    if observed and blocking:
        raise UsageError("--observed and --blocking are two topics: watch one")
    stream = Stream.OBSERVED_TASKS if observed else Stream.BLOCKING_TASKS if blocking else Stream.TASK_EVENTS
    wanted = Filter(request, correlation, entity, external)
    end = End(until_final, until_end, time.monotonic() + timeout if timeout is not None else None)
    if not asyncio.run(_watch(settings, stream, wanted, end, from_beginning=from_beginning, as_json=json)):
        raise typer.Exit(1)


async def _watch(
    settings: Settings, stream: Stream, wanted: Filter, end: End, *, from_beginning: bool, as_json: bool
) -> bool:
    """Whether it ended as was wanted: not when the time was up, or a story ended in anything but success."""
    from bridge.avro.event_decoder import EventDecoder, EventUndecodableError, to_json
    from bridge.cli.connections import event_topic, kafka_config, schema_registry
    from bridge.kafka.clients import tail

    topic, schema = event_topic(settings, stream)
    decoder = EventDecoder(schema_registry(settings), schema)
    console = out_console()
    records = tail(
        kafka_config(settings), [topic], from_beginning=from_beginning,
        until_end=end.with_topic, stop=end.is_due,
    )  # fmt: skip
    # The reader blocks this thread; nothing else runs here, and the registry is asked in threads of its own.
    for record in records:
        if record is None:
            continue
        try:
            event = await decoder.decode(record.value, record.headers)
        except EventUndecodableError as error:
            note(f"{record.at}: not a status event: {error}")
            continue
        if not wanted.takes(event):
            continue
        if as_json:
            write_json_line(to_json(event))
        else:
            console.print(any_line(event), soft_wrap=True)
        if end.with_final and event["final"]:
            return event.get("outcome", event.get("state")) in _GOOD_ENDS
    return end.with_topic and not end.with_final and not end.is_due()
