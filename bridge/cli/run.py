"""``vcd-bridge run``: the bridge itself."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import typer

from bridge import __version__
from bridge.cli.console import announce
from bridge.cli.interrupting import EXIT_INTERRUPTED
from bridge.cli.loading import loading
from bridge.cli.options import ConfigOption, load_settings
from bridge.errors import BridgeError

if TYPE_CHECKING:
    from bridge.settings import Settings
    from bridge.telemetry import Telemetry

EXIT_STOPPED_AT_ONCE = 75
START_PATIENCE_SECONDS = 1.0
"""How long a start that is interrupted may take to end by itself."""


def run(config: ConfigOption = None) -> None:
    """Run the bridge.

    Prints `ready` on standard output when it has joined its group and restored what it was given. SIGTERM or SIGINT
    drains and ends it; a second one ends it at once. What ends it otherwise is the last line of the log.
    """
    with loading():
        import uvloop

        from bridge.catalogue.load import load as load_catalogue
        from bridge.telemetry import Telemetry, configure_logging

    settings = load_settings(config).settings
    configure_logging(level=settings.log.level, form=settings.log.format, secrets=settings.secrets())
    telemetry = Telemetry(operations=load_catalogue(), version=__version__)
    try:
        settings.require_all()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, telemetry))
    except Exception as error:  # noqa: BLE001  # whatever it is, it is told as the logs are
        telemetry.failed(error)
        raise typer.Exit(getattr(error, "exit_code", BridgeError.exit_code)) from None
    telemetry.fact("bridge.stopped")


async def _serve(settings: Settings, telemetry: Telemetry) -> None:
    with loading():
        from bridge import app

    stop, started = asyncio.Event(), asyncio.Event()
    _stop_on_signals(stop, started, telemetry)

    def ready() -> None:
        started.set()
        announce("ready")

    await app.run(settings, telemetry, on_ready=ready, stop=stop)


def _stop_on_signals(stop: asyncio.Event, started: asyncio.Event, telemetry: Telemetry) -> None:
    loop = asyncio.get_running_loop()

    def end_at_once(number: signal.Signals, code: int) -> None:
        telemetry.fact("bridge.stopped_at_once", signal=number.name)
        sys.stderr.flush()
        # No cleanup: what was committed is the truth, the rest is decided again by the next owner.
        os._exit(code)

    def asked(number: signal.Signals) -> None:
        if stop.is_set():
            end_at_once(number, EXIT_STOPPED_AT_ONCE)
        telemetry.fact("bridge.draining", signal=number.name)
        stop.set()
        if number is signal.SIGINT and not started.is_set():
            # A person waits, and the start may hang in a client's call to a peer that is not there.
            loop.call_later(START_PATIENCE_SECONDS, end_at_once, number, EXIT_INTERRUPTED)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked, number)
