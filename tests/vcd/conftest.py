"""Transports to try, and the event loop that ``vcd-bridge run`` uses: faults of connections come through it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from bridge.vcd.transport.transports import TlsFiles, Transport, TransportLimits
from tests.vcd.certificates import Authority
from tests.vcd.gateway_setup import Setup, make_setup
from tests.vcd.sending import KINDS, LIMITS, Make


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    del config, item
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(params=sorted(KINDS))
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Makes transports of one kind and closes them."""
    made: list[Transport] = []

    def build(limits: TransportLimits = LIMITS, tls: TlsFiles | None = None) -> Transport:
        made.append(KINDS[request.param](limits, tls or TlsFiles()))
        return made[-1]

    yield build
    for transport in made:
        await transport.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("ca"))


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    made = await make_setup()
    yield made
    await made.gateway.close()
    assert made.calls.closed
    assert made.reads.closed


@pytest.fixture
async def tenant() -> AsyncIterator[Setup]:
    made = await make_setup("acme")
    yield made
    await made.gateway.close()
