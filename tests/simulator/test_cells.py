"""Several cells: one state behind several addresses, each of which can go down and come back."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from bridge.simulator.server import serve_in_thread
from tests.support.simulator import ACME_VAPP, Client, Simulator, acme_vapp
from tests.support.simulator import http as call

DEPLOY = f"/api/vApp/{ACME_VAPP}/action/deploy"


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with serve_in_thread(cells=3) as (url, _director):
        yield Simulator(url)


@pytest.fixture
def simulator(running: Simulator) -> Iterator[Simulator]:
    yield running
    running.clear_faults()


@pytest.fixture
def urls(simulator: Simulator) -> list[str]:
    return [cell["url"] for cell in simulator.admin("GET", "cells")]


def at(url: str, client: Client) -> Client:
    """The same session at another cell."""
    return Client(url, client.token)


def answers(url: str) -> bool:
    try:
        return call("GET", f"{url}/api/versions").status == 200
    except OSError:
        return False


def test_a_session_is_good_in_all_and_the_state_is_one(simulator: Simulator, urls: list[str]) -> None:
    first, second, third = (at(url, simulator.log_in()) for url in urls)
    task = second.post(DEPLOY, {}).json()
    assert task["href"].startswith(urls[0]), "hrefs name the first"
    assert third.get(f"/api/task/{task['id'][-36:]}").json()["id"] == task["id"]
    told = [(entry["operation"], entry["cell"]) for entry in simulator.ledger()[-2:]]
    assert told == [("deployVApp", "cell-2"), ("getTask", "cell-3")]
    assert first.post(DEPLOY, {}).json()["minorErrorCode"] == "BUSY_ENTITY"


def test_a_task_tells_the_cell_that_it_was_asked_of(simulator: Simulator, urls: list[str]) -> None:
    provider = simulator.log_in("administrator@System")
    task = at(urls[2], provider).post(f"/api/vApp/{acme_vapp(2)}/action/deploy", {}).json()
    rows = provider.get(f"/api/query?type=adminTask&filter=id=={task['id']}&format=records").json()["record"]
    assert [row["cellName"] for row in rows] == ["cell-3"]


def test_a_cell_that_is_down_refuses_and_comes_back(simulator: Simulator, urls: list[str]) -> None:
    with contextlib.closing(http.client.HTTPConnection(urlsplit(urls[1]).netloc, timeout=5)) as open_before:
        open_before.request("GET", "/api/versions")
        open_before.getresponse().read()
        fault = simulator.fault(do="refuse", cell="cell-2")
        told = {cell["cell"]: cell["listening"] for cell in simulator.admin("GET", "cells")}
        assert told == {"cell-1": True, "cell-2": False, "cell-3": True}
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            open_before.request("GET", "/api/versions")
            open_before.getresponse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((urlsplit(urls[1]).hostname, urlsplit(urls[1]).port), timeout=5)
    assert [answers(url) for url in urls] == [True, False, True]
    simulator.admin("DELETE", f"faults/{fault}")
    assert [answers(url) for url in urls] == [True, True, True]


def test_an_outage_has_its_time(simulator: Simulator, urls: list[str]) -> None:
    simulator.fault(do="refuse", cell="cell-3", **{"for": 0.3})
    assert not answers(urls[2])
    deadline = time.monotonic() + 10
    while not answers(urls[2]):
        assert time.monotonic() < deadline
        time.sleep(0.02)  # the cell is polled: there is nothing to be woken by


def test_the_cell_that_is_asked_answers_before_it_goes(simulator: Simulator, urls: list[str]) -> None:
    second = Simulator(urls[1])
    second.fault(do="refuse", cell="cell-2")
    assert not answers(urls[1])


def test_all_cells_are_never_down_for_good(simulator: Simulator) -> None:
    for cell in ("cell-2", "cell-3"):
        simulator.fault(do="refuse", cell=cell)
    reply = call("POST", f"{simulator.url}/simulator/faults", {"do": "refuse", "cell": "cell-1"})
    assert (reply.status, "'for' is needed" in reply.json()["error"]) == (400, True)


@pytest.mark.parametrize(("preset", "status"), [("starting", 503), ("maintenance", 503), ("rate-limit", 429)])
def test_one_cell_of_several_is_unwell(simulator: Simulator, urls: list[str], preset: str, status: int) -> None:
    simulator.fault(preset=preset, cell="cell-2", times=None)
    assert [call("GET", f"{url}/api/versions").status for url in urls] == [200, status, 200]


def test_one_cell_of_several_resets(simulator: Simulator, urls: list[str]) -> None:
    simulator.fault(do="reset", cell="cell-1", times=None)
    assert [answers(url) for url in urls] == [False, True, True]
