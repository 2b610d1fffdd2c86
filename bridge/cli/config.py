"""``vcd-bridge config``: the settings in force and where each came from."""

from __future__ import annotations

from typing import Annotated

import typer

from bridge.cli.console import shown, write_json, write_table
from bridge.cli.options import ConfigOption, JsonOption, load_settings


def config(
    config: ConfigOption = None,
    json: JsonOption = False,
    explain: Annotated[bool, typer.Option("--explain", help="Also say what each setting means.")] = False,
) -> None:
    """Settings in force and their origins."""
    rows = load_settings(config).effective()
    if json:
        write_json([
            {
                "name": row.name, "value": row.value, "origin": row.origin.kind,
                "origin_detail": row.origin.detail or None, "description": row.description,
            }
            for row in rows
        ])  # fmt: skip
        return
    columns = ("setting", "value", "origin") + (("meaning",) if explain else ())
    write_table(columns, [
        (row.name, shown(row.value), row.origin) + ((row.description,) if explain else ()) for row in rows
    ])  # fmt: skip
