"""``vcd-bridge topics plan|apply``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from bridge.cli.console import note, write_json, write_table
from bridge.cli.interrupting import interruptible
from bridge.cli.options import ConfigOption, JsonOption, load_settings

if TYPE_CHECKING:
    from bridge.kafka.layout import Difference

EXIT_DIFFERS = 3

topics = typer.Typer(help="The topics that the bridge needs.")


@topics.command()
@interruptible
def plan(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Compare the cluster's topics with what the bridge needs; exit code 3 when they differ."""
    from bridge.cli.connections import kafka_config, topic_layout
    from bridge.kafka import topics as kafka_topics

    settings = load_settings(config).settings
    differences = kafka_topics.plan(kafka_config(settings), topic_layout(settings)).differences
    _show(differences, "differences", as_json=json)
    if differences:
        raise typer.Exit(EXIT_DIFFERS)


@topics.command()
@interruptible
def apply(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Create and change topics until nothing differs; asks nothing. Exit code 1 when something takes a person."""
    from bridge.cli.connections import kafka_config, topic_layout
    from bridge.kafka import topics as kafka_topics
    from bridge.kafka.layout import Change

    settings = load_settings(config).settings
    found = kafka_topics.apply(kafka_config(settings), topic_layout(settings))
    impossible = found.of(Change.IMPOSSIBLE)
    done = [difference for difference in found.differences if difference.change is not Change.IMPOSSIBLE]
    _show(done, "done", as_json=json, impossible=impossible)
    if impossible:
        raise typer.Exit(1)


def _show(
    differences: Sequence[Difference], what: str, *, as_json: bool, impossible: Sequence[Difference] = ()
) -> None:
    if as_json:
        document = {what: [_document(difference) for difference in differences]}
        write_json(document | ({"impossible": [_document(d) for d in impossible]} if what == "done" else {}))
        return
    rows = [(d.topic, d.change.value, d.setting, d.current, d.wanted, d.hint) for d in (*differences, *impossible)]
    if rows:
        write_table(("topic", "change", "setting", "now", "wanted", ""), rows)
    else:
        note("nothing differs")


def _document(difference: Difference) -> dict[str, object]:
    return {
        "topic": difference.topic, "change": difference.change, "setting": difference.setting or None,
        "current": difference.current, "wanted": difference.wanted, "hint": difference.hint or None,
    }  # fmt: skip
