"""``vcd-bridge simulator``: a Cloud Director to try things on."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import Annotated, Any

import typer

from bridge.cli.console import announce
from bridge.cli.options import UsageError
from bridge.errors import ConfigurationError

_FAULTS = typer.Option(metavar="FILE", exists=True, dir_okay=False, help="Faults from the start, JSON.")


def simulator(
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Port 0 takes a free one.")] = "127.0.0.1:8090",
    task_seconds: Annotated[float, typer.Option(min=0, help="How long a Task lasts unless scripted otherwise.")] = 2.0,
    virtual_machines: Annotated[int, typer.Option("--vms", min=1, help="vApps with one VM each, per tenant.")] = 4,
    lenient_entities: Annotated[bool, typer.Option("--lenient-entities", help="Unknown ids become entities.")] = False,
    public_url: Annotated[str | None, typer.Option(help="What hrefs start with; default: the address served.")] = None,
    faults: Annotated[Path | None, _FAULTS] = None,
    ledger: Annotated[Path | None, typer.Option(metavar="FILE", help="Gets one JSON line per call.")] = None,
    settings: Annotated[str, typer.Option(metavar="JSON", help="Further settings of the simulator.")] = "{}",
    maximum_tasks: Annotated[int, typer.Option(min=1, help="Beyond it the oldest ended Tasks answer 403.")] = 100_000,
    seed: Annotated[int | None, typer.Option(help="Makes ids repeatable.")] = None,
) -> None:
    """Serve a simulated Cloud Director.

    Prints `ready URL` when it serves. Users: administrator@System, operator@System, admin@acme, user@acme,
    admin@beta, user@beta; password `secret`.
    """
    from bridge.simulator.server import run

    try:
        run(
            listen, task_seconds=task_seconds, virtual_machines=virtual_machines, lenient_entities=lenient_entities,
            public_url=public_url, faults_file=faults, ledger_file=ledger, settings=_object(settings),
            maximum_tasks=maximum_tasks, seed=seed, ready=lambda url: announce(f"ready {url}"),
        )  # fmt: skip
    except OSError as error:
        reason = error.strerror or str(error)
        if error.filename is not None:
            raise ConfigurationError(f"{error.filename}: {reason}") from None
        raise ConfigurationError(f"the simulator cannot serve on {listen}: {reason}",
                                 hint="--listen HOST:PORT with a free port") from None  # fmt: skip
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def _object(text: str) -> dict[str, Any]:
    try:
        found = json_text.loads(text)
    except ValueError as error:
        raise UsageError(f"--settings: not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise UsageError("--settings: must be a JSON object")
    return found
