"""How a verb ends: exit codes, one clear message, nothing on the wrong stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.cli import config as config_verb
from bridge.cli.entry import main
from bridge.errors import ConfigurationError, InvariantViolation, TemporaryError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def failing(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_it(_path: Path | None) -> None:
        raise error

    monkeypatch.setattr(config_verb, "load_settings", raise_it)


@pytest.mark.parametrize(
    ("error", "code", "exit_code"),
    [
        (ConfigurationError("a\nb", hint="do c"), "configuration_error", 2),
        (TemporaryError("no broker", hint="start one"), "temporary_error", 75),
        (InvariantViolation("impossible"), "invariant_violation", 70),
        (ZeroDivisionError("oops"), "internal", 70),
    ],
)
def test_every_error_has_its_exit_code_and_its_json_form(
    error: Exception, code: str, exit_code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(error, monkeypatch)
    assert main(["config", "--json"]) == exit_code
    out, err = capsys.readouterr()
    assert out == ""
    document = json.loads(err)["error"]
    assert document["code"] == code
    assert set(document) == {"code", "message", "hint"}


def test_problems_are_one_line_each_with_a_hint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(ConfigurationError("first\nsecond", hint="look there"), monkeypatch)
    assert main(["config"]) == 2
    assert capsys.readouterr().err == "error: first\nerror: second\nhint: look there\n"


def test_a_bug_shows_its_traceback_only_at_debug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(ZeroDivisionError("oops"), monkeypatch)
    main(["config"])
    assert "Traceback" not in capsys.readouterr().err
    monkeypatch.setenv("VCD_BRIDGE__LOG__LEVEL", "debug")
    main(["config"])
    assert "Traceback" in capsys.readouterr().err


def test_interrupted_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    failing(KeyboardInterrupt(), monkeypatch)
    assert main(["config"]) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("arguments", [["nonsense"], ["config", "--nonsense"], ["operations", "a", "b"]])
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert main([*arguments, "--json"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err.splitlines()[-1])["error"]["code"] == "usage"


def test_without_a_verb_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert "operations" in out
    assert err == ""


def in_bash(command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """``$B`` is the command line."""
    environment |= {"B": f"{sys.executable} -m bridge", "PATH": os.environ["PATH"]}
    return subprocess.run(
        ["/bin/bash", "-c", command], env=environment, capture_output=True, check=False, cwd=ROOT, timeout=30
    )


def test_a_reader_that_stops_reading_is_no_error() -> None:
    done = in_bash("$B operations --json | head -n 1; echo ${PIPESTATUS[0]}")
    assert done.stdout.splitlines() == [b"[", b"0"]
    assert done.stderr == b""


@pytest.mark.parametrize("verb", ["config", "config --json", "--help"])
def test_output_that_cannot_be_written_is_one_line_and_1(verb: str) -> None:
    full, closed = in_bash(f"$B {verb} >/dev/full"), in_bash(f"$B {verb} >&-")
    assert (full.returncode, closed.returncode) == (1, 1)
    message = b"standard output cannot be written: No space left on device"
    assert (message in full.stderr, b"standard output is closed" in closed.stderr) == (True, True)
    assert [len(done.stderr.splitlines()) for done in (full, closed)] == [1, 1]


@pytest.mark.parametrize("errors", ["2>/dev/full", "2>&-"])
def test_remarks_that_cannot_be_written_change_nothing(errors: str) -> None:
    assert in_bash(f"$B config --config nowhere.toml {errors}").returncode == 2


def test_a_terminal_of_another_encoding_gets_what_it_can_show_and_json_is_exact() -> None:
    environment = {"PYTHONIOENCODING": "ascii", "VCD_BRIDGE__VCD__ORGANIZATION": "Zürich"}
    table, document = in_bash("$B config", **environment), in_bash("$B config --json", **environment)
    assert (table.returncode, document.returncode) == (0, 0)
    assert b"Z?rich" in table.stdout
    assert "Zürich" in {row["value"] for row in json.loads(document.stdout) if isinstance(row["value"], str)}


def test_tables_begin_with_their_head() -> None:
    assert in_bash("$B operations --search snapshot").stdout.startswith(b"operation ")


def test_help_needs_no_vendor_library() -> None:
    heavy = "confluent_kafka httpx pyreqwest fastavro uvicorn uvloop prometheus_client structlog"
    code = (
        "import sys; from bridge.cli.entry import main; main(['run', '--help']);"
        f"print([name for name in '{heavy}'.split() if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, timeout=30
    )
    assert done.stderr.strip() == "[]"
