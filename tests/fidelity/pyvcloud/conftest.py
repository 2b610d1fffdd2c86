"""pyvcloud 23.0.4, unmodified, in front of a simulator on loopback.

One simulator serves a whole test module; Tasks last no time unless a test scripts them, so that nothing is waited for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyvcloud.vcd.client import BasicLoginCredentials, Client

from bridge.simulator.behavior import Behavior
from bridge.simulator.director import Director
from bridge.simulator.server import serve_in_thread
from bridge.simulator.state.founding.inventory import PASSWORD
from tests.fidelity.pyvcloud import quiet, tried

quiet.module("vapp")  # before a test imports it

LogIn = Callable[..., Client]

NOTED = Path(__file__).resolve().parents[3] / ".cache" / "fidelity" / "pyvcloud.json"

POLL_SECONDS = 0.01
"""``poll_frequency`` for pyvcloud's task monitor, which would wait 5 s."""


@pytest.fixture(scope="session", autouse=True)
def _noting() -> Iterator[None]:
    """For docs/fidelity.md; see ``tools/prove_fidelity.py``. Otherwise pyvcloud is not touched at all."""
    called: set[tuple[str, str]] = set()
    wanted = "FIDELITY_RESULTS" in os.environ
    if wanted:
        tried.watch(called)
    yield
    if wanted:
        tried.write(called, NOTED)


@pytest.fixture(scope="module")
def simulated(request: pytest.FixtureRequest) -> Iterator[tuple[str, Director]]:
    """URL and director of the module's simulator, with the module's ``SETTINGS`` where it has some."""
    settings: dict[str, Any] = getattr(request.module, "SETTINGS", {})
    with serve_in_thread(behavior=Behavior(task_seconds=0.0, **settings), seed=1) as served:
        yield served


@pytest.fixture(scope="module")
def url(simulated: tuple[str, Director]) -> str:
    return simulated[0]


@pytest.fixture(scope="module")
def director(simulated: tuple[str, Director]) -> Director:
    """For looking at the ledger and for scripting Tasks between calls."""
    return simulated[1]


@pytest.fixture(scope="module")
def log_in(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LogIn]:
    """``log_in("admin@acme")``: a client with a session; ``version=`` instead of the one that pyvcloud negotiates.

    Sessions are ended with the module.
    """
    log = tmp_path_factory.mktemp("pyvcloud") / "log"
    clients: list[Client] = []

    def new(user: str, *, version: str | None = None, password: str = PASSWORD) -> Client:
        client = Client(url, api_version=version, verify_ssl_certs=False, log_file=str(log))
        name, _, organization = user.partition("@")
        client.set_credentials(BasicLoginCredentials(name, organization, password))
        clients.append(client)
        return client

    yield new
    for client in clients:
        if client._session is not None:  # logout() would ask a server that may be gone
            client._session.close()
    _close_logs(clients)


def _close_logs(clients: list[Client]) -> None:
    """pyvcloud never closes its log files, which the collector would tell as a warning."""
    for client in clients:
        logger: Any = client._logger
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
            handler.close()


@pytest.fixture(scope="module")
def tenant(log_in: LogIn) -> Client:
    """admin@acme, an organization administrator."""
    return log_in("admin@acme")


@pytest.fixture(scope="module")
def provider(log_in: LogIn) -> Client:
    """administrator@System."""
    return log_in("administrator@System")


@pytest.fixture(scope="module")
def done(tenant: Client) -> Callable[[Any], None]:
    """Waits for a Task's success."""
    return lambda task: tenant.get_task_monitor().wait_for_success(task, timeout=5, poll_frequency=POLL_SECONDS)
