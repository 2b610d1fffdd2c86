"""All verbs on one application."""

from __future__ import annotations

import typer

from bridge.cli import broker, check, config, freeze, operations, run, schemas, send, simulator, topics, version, watch
from bridge.cli.dead_letters import verbs as dead_letters
from bridge.cli.demo import verb as demo
from bridge.cli.requests import verbs as requests

app = typer.Typer(
    name="vcd-bridge",
    help="Kafka bridge for VMware Cloud Director: action requests in, followed Tasks, status events out.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.command("run")(run.run)
app.command("demo")(demo.demo)
app.command("check")(check.check)
app.command("config")(config.config)
app.command("send")(send.send)
app.command("watch")(watch.watch)
app.add_typer(requests.requests, name="requests")
app.command("freeze")(freeze.freeze)
app.command("thaw")(freeze.thaw)
app.command("operations")(operations.operations)
app.add_typer(topics.topics, name="topics")
app.add_typer(schemas.schemas, name="schemas")
app.add_typer(dead_letters.dead_letters, name="dead-letters")
app.command("simulator")(simulator.simulator)
app.command("broker")(broker.broker)
app.command("version")(version.version)
