"""``vcd-bridge freeze`` and ``vcd-bridge thaw``: the brake of the whole group, for maintenance of Cloud Director."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.console import printable, write, write_json
from bridge.cli.interrupting import interruptible
from bridge.cli.options import ConfigOption, JsonOption, UsageError, load_settings, login_name

if TYPE_CHECKING:
    from bridge.core.freeze import Freeze

RequestedByOption = Annotated[str | None, typer.Option(help="Who asks. Default: the login name.")]
ReasonOption = Annotated[str | None, typer.Option(help="Why; shown by every process.")]


@interruptible
def freeze(
    config: ConfigOption = None,
    reason: ReasonOption = None,
    requested_by: RequestedByOption = None,
    show: Annotated[bool, typer.Option("--show", help="Only show whether the group is frozen.")] = False,
    json: JsonOption = False,
) -> None:
    """Let no process of the group call anything that changes VCD, until `thaw`.

    Durable: it holds over restarts. Requests are taken and wait, Tasks are followed and told; see /ready and
    vcdbridge_frozen of each process.
    """
    from bridge.cli.connections import kafka_config
    from bridge.kafka.control import read_control
    from bridge.settings.naming import topic_names

    if not show:
        _say(config, frozen=True, reason=reason, requested_by=requested_by, as_json=json)
        return
    if reason is not None or requested_by is not None:
        raise UsageError("--show goes alone")
    settings = load_settings(config).settings
    _show(read_control(kafka_config(settings), topic_names(settings).control), as_json=json)


@interruptible
def thaw(
    config: ConfigOption = None,
    reason: ReasonOption = None,
    requested_by: RequestedByOption = None,
    json: JsonOption = False,
) -> None:
    """End a freeze: what has waited is called, by itself and at once."""
    _say(config, frozen=False, reason=reason, requested_by=requested_by, as_json=json)


def _say(config: Path | None, *, frozen: bool, reason: str | None, requested_by: str | None, as_json: bool) -> None:
    from datetime import UTC, datetime

    from bridge.cli.connections import kafka_config
    from bridge.core.freeze import Freeze, write_freeze
    from bridge.kafka.clients import send
    from bridge.kafka.control import control_record
    from bridge.settings.naming import topic_names

    settings = load_settings(config).settings
    said = Freeze(frozen=frozen, reason=reason, requested_by=requested_by or login_name(), at=datetime.now(UTC))
    send(kafka_config(settings), [control_record(topic_names(settings).control, write_freeze(said))])
    _show(said, as_json=as_json)


def _show(freeze: Freeze, *, as_json: bool) -> None:
    from bridge.core.freeze import to_json

    document = to_json(freeze)
    if as_json:
        write_json(document)
        return
    more = [f"{name.replace('_', ' ')} {document[name]}" for name in ("at", "requested_by", "reason") if document[name]]
    write(printable(", ".join(["frozen" if freeze.frozen else "not frozen", *more])))
