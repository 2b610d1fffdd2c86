"""The verb ``demo``."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from bridge.cli.console import note, write, write_json
from bridge.cli.options import JsonOption

if TYPE_CHECKING:
    from bridge.cli.demo.proof import Verdict

_PROVEN = """proven: each request changed VCD exactly once (calls beyond it were refused as busy), a rejected
one never; the ticket is one Task, ended once; each Task that anybody began in acme while it was
observed is told with the end that VCD shows, and so is what was held, by looking alone; each story
is complete: sequence without gap or repeat, exactly one end, nothing after it"""


def demo(json: JsonOption = False) -> None:
    """See the bridge at work, killed, and proven right.

    Starts an embedded broker, a simulated Cloud Director and the bridge as processes, sends requests, kills the bridge
    with -9 in mid-work, starts another, then shows a ticket as an external task that a person cancels while no bridge
    runs. At last an organization is observed: what others do there is told as a stream, and an operation that is held
    until somebody decides is released by a decision. Proves from the simulator's ledger that each request was called
    once, that the ticket is one Task with one end, that each Task of the organization is told, and that each story is
    complete. About a minute; leaves nothing behind. Exit code 1 when the proof fails.
    """
    from bridge.cli.demo.screen import Screen, closing_table

    screen = Screen()
    with screen.running():
        verdicts = asyncio.run(_play(screen.show))
    proven = all(verdict.is_proven for verdict in verdicts)
    if json:
        write_json({"proven": proven, "requests": [asdict(verdict) for verdict in verdicts]})
    else:
        closing_table(verdicts)
        write(_PROVEN if proven else "NOT proven: see the last column")
    if not proven:
        raise typer.Exit(1)


async def _play(show: Callable[[str, Mapping[str, Any]], None]) -> list[Verdict]:
    from bridge.cli.demo.scenario import play
    from bridge.cli.demo.stage import Stage

    # An event, not the play's cancellation: it is set once, so a second signal does not disturb the stopping.
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupted.set)
    playing = asyncio.create_task(play(Stage(show)))
    await asyncio.wait({playing, asyncio.create_task(interrupted.wait())}, return_when=asyncio.FIRST_COMPLETED)
    if not playing.done():
        playing.cancel()
        with suppress(asyncio.CancelledError):
            await playing
        note("interrupted; everything the demo started is stopped")
        raise KeyboardInterrupt
    return playing.result()
