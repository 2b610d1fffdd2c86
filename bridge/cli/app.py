"""All verbs on one application."""

from __future__ import annotations

import typer

from bridge.cli import config, operations, run, simulator, version
from bridge.cli.demo import verb as demo

app = typer.Typer(
    name="vcd-bridge",
    help="Kafka bridge for VMware Cloud Director: action requests in, followed Tasks, status events out.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.command("run")(run.run)
app.command("demo")(demo.demo)
app.command("config")(config.config)
app.command("operations")(operations.operations)
app.command("simulator")(simulator.simulator)
app.command("version")(version.version)
