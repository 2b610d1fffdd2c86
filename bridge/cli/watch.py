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
from bridge.cli.options import ConfigOption, JsonOption, load_settings
from bridge.cli.timeline import event_line

if TYPE_CHECKING:
    from bridge.settings import Settings

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events are wanted; None: all."""

    request: str | None = None
    correlation: str | None = None
    entity: str | None = None

    def takes(self, event: Mapping[str, Any]) -> bool:
        return (
            (self.request is None or event["request_id"] == self.request)
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


@interruptible
def watch(
    config: ConfigOption = None,
    request: Annotated[str | None, typer.Option(metavar="ID", help="Only this request.")] = None,
    correlation: Annotated[str | None, typer.Option(metavar="ID", help="Only this correlation id.")] = None,
    entity: Annotated[str | None, typer.Option(metavar="ID|NAME", help="Only Tasks that this entity owns.")] = None,
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="Also what was told before.")] = False,
    until_final: Annotated[bool, typer.Option("--until-final", help="End with the first final event.")] = False,
    timeout: Annotated[float | None, typer.Option(min=0, metavar="SECONDS", help="End then, with exit code 1.")] = None,
    json: JsonOption = False,
) -> None:
    """Show status events live, decoded.

    With --until-final the exit code is 0 when the story ended in success, otherwise 1.
    """
    settings = load_settings(config).settings
    wanted = Filter(request, correlation, entity)
    deadline = time.monotonic() + timeout if timeout is not None else None
    watching = _watch(settings, wanted, deadline, from_beginning=from_beginning, until_final=until_final, as_json=json)
    if not asyncio.run(watching):
        raise typer.Exit(1)


async def _watch(
    settings: Settings,
    wanted: Filter,
    deadline: float | None,
    *,
    from_beginning: bool,
    until_final: bool,
    as_json: bool,
) -> bool:
    """False when the time was up or, with ``until_final``, the story did not end in success."""
    from bridge.avro.event_decoder import EventDecoder, EventUndecodableError, to_json
    from bridge.cli.connections import kafka_config, schema_registry
    from bridge.kafka.clients import tail

    decoder = EventDecoder(schema_registry(settings))
    console = out_console()
    records = tail(
        kafka_config(settings), [settings.topics.task_events], from_beginning=from_beginning,
        stop=lambda: deadline is not None and time.monotonic() >= deadline,
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
            console.print(event_line(event), soft_wrap=True)
        if until_final and event["final"]:
            return bool(event["outcome"] == "success")
    return False
