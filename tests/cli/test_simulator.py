"""``vcd-bridge simulator``: what it needs, what it says, what keeps it from serving."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.simulator.serving.certificates import make_certificate
from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.cli.conftest import Shell
from tests.support.processes import REPOSITORY
from tests.support.simulator import log_in

_ALONE = """
import sys
for name in "confluent_kafka fastavro httpx pyreqwest pydantic_settings prometheus_client structlog".split():
    sys.modules[name] = None  # importing it is an ImportError
from bridge.cli.entry import command
command()
"""
"""The command line where the bridge's own dependencies are not installed."""


@contextmanager
def serving(*options: str, cwd: Path = REPOSITORY) -> Iterator[tuple[list[str], str]]:
    """The URLs that it says it serves, and what it told on stderr before."""
    command = [sys.executable, "-c", _ALONE, "simulator", *options]
    environment = {"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            ready = process.stdout.readline().split()
            if ready[:1] != ["ready"]:
                raise AssertionError(process.stderr.read())
            told = [process.stderr.readline()]
            while "look on" not in told[-1]:
                told.append(process.stderr.readline())
            yield ready[1:], "".join(told)
        finally:
            process.terminate()
            code = process.wait(10)
        assert code == 0


def test_it_serves_without_the_rest_and_tells_how_to_log_in(tmp_path: Path) -> None:
    """Far from any settings file; what it prints is a command that works."""
    with serving("--listen", "127.0.0.1:0", cwd=tmp_path) as ((url,), told):
        for user in ("administrator@System", "admin@acme", "admin@beta"):
            assert user in told
            assert log_in(url, user).get("/api/org").status == 200
        curl = re.search(r"curl (.+?) \\\n\s+-X POST (\S+)", told)
        assert curl is not None
        words = shlex.split(curl[1])
        accept = words[words.index("-H") + 1]
        user, _, password = words[words.index("-u") + 1].partition(":")
        assert curl[2] == f"{url}/cloudapi/1.0.0/sessions"
        assert log_in(url, user, password).token
        assert accept.startswith("Accept: application/json;version=")


def test_cells_and_https(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    two = ("--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0")
    with serving(*two, "--tls-folder", str(folder)) as (urls, told):
        assert len(urls) == 2
        assert f"--cacert {folder}/ca.pem" in told
        trusting = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        for url in urls:
            assert url.startswith("https://")
            with urllib.request.urlopen(f"{url}/simulator/cells", context=trusting, timeout=10) as answer:
                assert [one["url"] for one in json.load(answer)] == urls


def test_a_given_certificate_a_size_a_seed_and_a_public_url(tmp_path: Path) -> None:
    files = make_certificate(tmp_path, ["127.0.0.1"])
    given = ("--tls-certificate", str(files.certificate), "--tls-key", str(files.key))
    more = ("--vms", "7", "--seed", "1", "--maximum-tasks", "5", "--public-url", "https://vcd.example.com")
    with serving("--listen", "127.0.0.1:0", *given, *more) as ((url,), told):
        assert url.startswith("https://127.0.0.1:")
        assert "--cacert" not in told, "whoever gives a certificate knows its authority"
        trusting = ssl.create_default_context(cafile=str(files.authority))
        seventh = well_known_uuid("vApp", "acme", 7).encode()
        for path, wanted in (("/simulator/entities", seventh), ("/api/versions", b">https://vcd.example.com/")):
            with urllib.request.urlopen(f"{url}{path}", context=trusting, timeout=10) as answer:
                assert wanted in answer.read()


def test_an_inventory_brings_its_own_users(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.json"
    inventory.write_text(
        json.dumps({"organizations": [{"name": "gamma", "users": [{"name": "eve", "password": "hush",
                                                                  "role": "Organization Administrator"}]}]})
    )  # fmt: skip
    with serving("--listen", "127.0.0.1:0", "--inventory", str(inventory)) as ((url,), told):
        assert "-u eve@gamma:hush" in told
        assert log_in(url, "eve@gamma", "hush").get("/api/org").json()["org"][0]["name"] == "gamma"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--inventory", "inventory.json", "--vms", "3"], "not with --vms or --seed"),
        (["--inventory", "inventory.json", "--seed", "3"], "not with --vms or --seed"),
        (["--inventory", "inventory.json"], "organizations: at least one is needed"),
        (["--faults", "faults.json"], "faults.json: fault 2: 'times' takes a number"),
        (["--tls-certificate", "inventory.json"], "go together"),
        (["--tls-certificate", "inventory.json", "--tls-key", "faults.json"], "no certificate with its key"),
        (["--tls-certificate", "inventory.json", "--tls-key", "faults.json", "--tls-folder", "tls"], "self-made"),
    ],
)
def test_mistakes_are_told(shell: Shell, options: list[str], told: str) -> None:
    Path("inventory.json").write_text('{"organizations": []}')
    Path("faults.json").write_text('[{"preset": "busy"}, {"preset": "busy", "times": "many"}]')
    shell.run("simulator", "--listen", "127.0.0.1:0", *options, code=2)
    assert told in shell.err


def test_a_file_that_cannot_be_opened_is_not_told_as_the_address(shell: Shell) -> None:
    for option in ("--faults", "--ledger"):
        shell.run("simulator", "--listen", "127.0.0.1:0", option, "nowhere/file", code=2)
        assert "nowhere/file" in shell.err.splitlines()[0]
        assert "cannot serve" not in shell.err


def test_a_port_in_use_is(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        shell.run("simulator", "--listen", address, code=2)
    assert shell.err.startswith(f"error: the simulator cannot serve on {address}: ")


@pytest.mark.skipif(shutil.which("curl") is None, reason="the document uses curl")
def test_the_first_minute_of_the_document_works() -> None:
    document = (REPOSITORY / "docs" / "simulator.md").read_text().partition("## In a minute")[2]
    commands = re.findall(r"```sh\n(.*?)```", document, re.DOTALL)[1]
    with serving("--listen", "127.0.0.1:0") as ((url,), _):
        script = re.sub(r"(?m)^(?=ask [^(]|curl)", "echo; ", commands.replace("http://127.0.0.1:8090", url))
        ended = subprocess.run(["sh", "-e", "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 0, ended.stderr
    org, machines, task, running, ledger = (json.loads(line) for line in ended.stdout.splitlines() if line)
    assert org["org"][0]["name"] == "acme"
    assert machines["total"] >= 4
    assert task["operationName"] == running["record"][0]["name"]
    assert [entry["operation"] for entry in ledger["entries"] if entry["effect"]][-1] == "powerOnVApp"
