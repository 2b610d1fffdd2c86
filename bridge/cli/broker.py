"""``vcd-bridge broker``: the embedded Kafka broker."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.console import announce
from bridge.cli.options import ConfigOption, UsageError, load_settings

if TYPE_CHECKING:
    from bridge.settings import Settings


def broker(
    config: ConfigOption = None,
    topic: Annotated[list[str] | None, typer.Option(metavar="NAME[:PARTITIONS]", help="One more topic.")] = None,
) -> None:
    """Serve an embedded Kafka broker, for trying things.

    Prints `ready HOST:PORT` when it serves; the port is of its own choice. It holds the bridge's topics, in memory. Its
    transactions are not isolated, so nothing about exactly-once is promised on it.
    """
    from bridge.kafka.embedded import serve_embedded

    settings = load_settings(config).settings
    topics = embedded_topics(settings)
    for text in topic or []:
        name, _, count = text.partition(":")
        if not name or not (count or "1").isdecimal() or int(count or 1) < 1:
            raise UsageError(f"--topic: {text!r} is not NAME or NAME:PARTITIONS")
        topics[name] = int(count) if count else settings.topics.partitions
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    serve_embedded(topics, lambda servers: announce(f"ready {servers}"), stop)


def embedded_topics(settings: Settings) -> dict[str, int]:
    """The bridge's topics and their partitions, those of the store included."""
    from bridge.cli.connections import topic_layout

    layout = topic_layout(settings)
    return {topic: layout.partitions_of(topic) for topic in layout.topics()}
