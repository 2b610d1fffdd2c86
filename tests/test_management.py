"""The management port over real sockets."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Mapping

import httpx
import pytest

from bridge.errors import ConfigurationError
from bridge.management import ManagementServer


class SwitchedHealth:
    """Health that the test sets."""

    def __init__(self) -> None:
        self.is_live = True
        self.is_ready = False

    def live(self) -> tuple[bool, Mapping[str, object]]:
        return self.is_live, {"engine_seconds_ago": 0.1}

    def ready(self) -> tuple[bool, Mapping[str, object]]:
        return self.is_ready, {"partitions": 3}


@pytest.fixture
def health() -> SwitchedHealth:
    return SwitchedHealth()


@pytest.fixture
async def server(health: SwitchedHealth) -> AsyncIterator[ManagementServer]:
    running = ManagementServer(("127.0.0.1", 0), health, lambda: b"vcdbridge_ready 0\n")
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def client(server: ManagementServer) -> AsyncIterator[httpx.AsyncClient]:
    host, port = server.address
    async with httpx.AsyncClient(base_url=f"http://{host}:{port}") as opened:
        yield opened


async def test_probes_answer_with_the_state_and_its_details(client: httpx.AsyncClient, health: SwitchedHealth) -> None:
    live, not_ready = await client.get("/live"), await client.get("/ready")
    assert (live.status_code, live.json()) == (200, {"live": True, "engine_seconds_ago": 0.1})
    assert (not_ready.status_code, not_ready.json()) == (503, {"ready": False, "partitions": 3})
    health.is_live, health.is_ready = False, True
    assert (await client.get("/live")).status_code == 503
    assert (await client.get("/ready")).status_code == 200


async def test_metrics_are_in_the_prometheus_text_format(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics")
    assert answer.content == b"vcdbridge_ready 0\n"
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


async def test_head_has_no_body_and_other_methods_are_refused(client: httpx.AsyncClient) -> None:
    head, post, unknown = await client.head("/live"), await client.post("/live"), await client.get("/admin")
    assert (head.status_code, head.content) == (200, b"")
    assert (post.status_code, post.headers["allow"]) == (405, "GET, HEAD")
    assert (unknown.status_code, unknown.json()["paths"]) == (404, ["/live", "/ready", "/metrics"])


async def test_a_port_in_use_is_a_configuration_error_that_says_what_to_set(
    server: ManagementServer, health: SwitchedHealth
) -> None:
    with pytest.raises(ConfigurationError, match="already in use") as caught:
        await ManagementServer(server.address, health, bytes).start()
    assert "management.listen" in caught.value.hint


async def test_an_unknown_host_is_a_configuration_error(health: SwitchedHealth) -> None:
    with pytest.raises(ConfigurationError, match=r"management\.listen"):
        await ManagementServer(("no-such-host.invalid", 0), health, bytes).start()


async def test_the_server_leaves_signals_to_the_process(server: ManagementServer) -> None:
    assert server.address[1] > 0
    seen: list[int] = []
    previous = signal.signal(signal.SIGTERM, lambda number, _frame: seen.append(number))
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert seen == [signal.SIGTERM]


async def test_the_port_is_free_again_after_stop(health: SwitchedHealth) -> None:
    first = ManagementServer(("127.0.0.1", 0), health, bytes)
    await first.start()
    address = first.address
    await first.stop()
    second = ManagementServer(address, health, bytes)
    await second.start()
    await second.stop()
