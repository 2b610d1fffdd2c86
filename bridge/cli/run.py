"""``vcd-bridge run``: the bridge itself."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

from bridge import __version__
from bridge.cli.console import announce
from bridge.cli.options import ConfigOption, load_settings
from bridge.errors import BridgeError, InvariantViolation

if TYPE_CHECKING:
    from bridge.settings import Settings
    from bridge.telemetry import Telemetry

EXIT_STOPPED_AT_ONCE = 75


def run(config: ConfigOption = None) -> None:
    """Run the bridge.

    Prints `ready` on standard output when it has joined its group and restored what it was given. SIGTERM or SIGINT
    drains and ends it; a second one ends it at once.
    """
    import uvloop

    from bridge.catalogue.load import load as load_catalogue
    from bridge.telemetry import Telemetry, configure_logging

    settings = load_settings(config).settings
    settings.require_all()
    configure_logging(level=settings.log.level, form=settings.log.format, secrets=settings.secrets())
    telemetry = Telemetry(operations=load_catalogue(), version=__version__)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, telemetry))


async def _serve(settings: Settings, telemetry: Telemetry) -> None:
    from bridge import app

    stop = asyncio.Event()
    _stop_on_signals(stop, telemetry)
    try:
        await app.run(settings, telemetry, on_ready=lambda: announce("ready"), stop=stop)
    except Exception as error:
        if not isinstance(error, BridgeError) or isinstance(error, InvariantViolation):
            telemetry.failed(error)
        raise
    telemetry.fact("bridge.stopped")


def _stop_on_signals(stop: asyncio.Event, telemetry: Telemetry) -> None:
    def asked(name: str) -> None:
        if stop.is_set():
            telemetry.fact("bridge.stopped_at_once", signal=name)
            sys.stderr.flush()
            # No cleanup: what was committed is the truth, the rest is decided again by the next owner.
            os._exit(EXIT_STOPPED_AT_ONCE)
        telemetry.fact("bridge.draining", signal=name)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked, number.name)
