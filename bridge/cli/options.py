"""Options that verbs share, and how a verb gets its settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.errors import BridgeError

if TYPE_CHECKING:
    from bridge.settings import LoadedSettings

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings file; default: vcd-bridge.toml here, if there."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for programs.")]


class UsageError(BridgeError):
    """Arguments that parse but make no sense."""

    exit_code = 2

    @property
    def code(self) -> str:
        return "usage"


def login_name() -> str | None:
    """Who types; None: a user without a name, as containers have them."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None


def load_settings(config: Path | None) -> LoadedSettings:
    """Settings of this run. Every verb refuses what no client may be given. Raises ConfigurationError."""
    from bridge.settings import load

    loaded = load(config, os.environ)
    if loaded.settings.kafka.properties:
        from bridge.cli.connections import refuse_properties

        refuse_properties(loaded.settings)
    return loaded
