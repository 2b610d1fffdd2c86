"""Runs one verb: every way it can end becomes an exit code and at most one clear message."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import typer

from bridge.cli.app import app
from bridge.cli.console import write_error
from bridge.cli.interrupting import EXIT_INTERRUPTED
from bridge.cli.streams import ReaderLeft, guarded
from bridge.errors import BridgeError

EXIT_USAGE = 2
EXIT_BUG = 70


def command() -> NoReturn:
    """Run ``vcd-bridge`` with the process's arguments, and end the process."""
    code = main()
    if code == EXIT_INTERRUPTED:
        # The verb's thread may be in a client library's call, which nothing ends before its time-out.
        os._exit(code)
    sys.exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``vcd-bridge`` with ``arguments`` (default: the process's). Returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if not _is_debug():
        # Verbs say what went wrong themselves; ``run`` sets up logs of its own.
        logging.getLogger().addHandler(logging.NullHandler())
    with guarded():
        return _run(given)


def _run(given: list[str]) -> int:
    as_json = "--json" in given
    try:
        result = typer.main.get_command(app).main(given, prog_name="vcd-bridge", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except BridgeError as error:
        write_error(error.code, error.message, error.hint, as_json=as_json)
        if error.exit_code == EXIT_BUG:
            _trace()
        return error.exit_code
    except typer.TyperException as error:
        message = str(getattr(error, "message", "") or error)
        formatted = getattr(error, "format_message", None)
        hint = "vcd-bridge VERB --help shows the usage"
        write_error("usage", formatted() if formatted else message, hint, as_json=as_json)
        return EXIT_USAGE
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    except ReaderLeft:
        return 0
    except Exception as error:  # noqa: BLE001  # the last guard of the process: what comes here is our own bug
        hint = "this is a bug; VCD_BRIDGE__LOG__LEVEL=debug shows where it happened"
        write_error("internal", f"{type(error).__name__}: {error}", hint, as_json=as_json)
        _trace()
        return EXIT_BUG


def _trace() -> None:
    if _is_debug():
        traceback.print_exc()


def _is_debug() -> bool:
    return os.environ.get("VCD_BRIDGE__LOG__LEVEL", "").lower() == "debug"
