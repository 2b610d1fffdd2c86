"""go-vcloud-director 3.1.1, unmodified, in front of a simulator: what it expects of a real server, method by method.

The steps are the Go program in ``govcd/``. It polls every 3 s in places, so a run takes some 20 s; Tasks last no time
except where a step watches one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.simulator.behavior import Behavior
from bridge.simulator.server import serve_in_thread
from bridge.simulator.serving.certificates import make_certificate
from bridge.simulator.state.founding.inventory import PASSWORD

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed; go-vcloud-director is a Go library"),
]

SOURCES = Path(__file__).parent / "govcd"
FEWEST_STEPS = 325
"""Fewer mean that steps were left out because what they need was not there."""

KNOWN = {
    "VCDClient.Disconnect": (
        "it sends DELETE to where it logged in, /cloudapi/1.0.0/sessions or …/provider; CloudAPI documents DELETE of "
        "/sessions/{id} alone, and the library's own tests never disconnect"
    ),
}
"""Steps that fail, with the reason."""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("govcd") / "steps"
    command = ["go", "build", "-o", str(target), "."]
    built = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True, check=False, timeout=600)
    assert built.returncode == 0, built.stderr
    return target


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Over TLS, as the library makes https out of every href that it follows; and with whole owners in every Task, as
    it stops at the empty ones that real servers show now and then.
    """
    files = make_certificate(tmp_path, ["127.0.0.1"])
    behavior = Behavior(task_seconds=0.0, empty_owner_href_every=0)
    with serve_in_thread(tls=files.context(), behavior=behavior, seed=1) as (served, _director):
        yield served


def steps(program: Path, url: str, login: str, version: str) -> list[dict[str, Any]]:
    user, _, organization = login.partition("@")
    command = [str(program), "-url", url, "-user", user, "-org", organization, "-version", version]
    done = subprocess.run(
        [*command, "-password", PASSWORD], capture_output=True, text=True, check=False, timeout=300, env=_environment()
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _environment() -> dict[str, str]:
    """Without the library's switches that others may have set."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("GOVCD_", "VCD_"))}


@pytest.mark.parametrize("version", ["37.0", "38.1", "39.1"])
@pytest.mark.parametrize("login", ["admin@acme", "administrator@System"])
def test_every_step_passes(program: Path, url: str, login: str, version: str) -> None:
    found = steps(program, url, login, version)
    failed = {one["step"]: one["error"] for one in found if not one["ok"]}
    assert {step: error for step, error in failed.items() if step not in KNOWN} == {}
    assert set(KNOWN) <= set(failed), "what passes now is known no more"
    assert len(found) >= FEWEST_STEPS
