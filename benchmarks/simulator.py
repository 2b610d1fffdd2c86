"""How many Task-creating calls a second the simulator carries on one core, and whether its memory stays flat.

The client is this process, over raw sockets with several calls under way on each: it costs a fraction of what the
simulator costs, so that the simulator's core is what limits. Read the calls per CPU-second of the simulator where the
machine has other things to do.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice

import psutil

from benchmarks.compare import machine
from bridge.simulator.state.founding.inventory import well_known_uuid
from tests.support.simulator import Simulator, running_simulator

CONNECTIONS = 32
UNDER_WAY = 4
"""Calls under way on one connection."""

VAPPS = 256
FORMS = {
    "JSON": ("json", b'{"powerOn":true}', b"{}"),
    "XML": (
        "xml",
        b'<DeployVAppParams xmlns="http://www.vmware.com/vcloud/v1.5" powerOn="true"/>',
        b'<UndeployVAppParams xmlns="http://www.vmware.com/vcloud/v1.5"/>',
    ),
}
"""What calls are made in: the word of the media types, the body of a deploy and that of an undeploy."""

_STATUS = re.compile(rb"HTTP/1\.1 (\d)")
_LONGEST_PART = len(b"HTTP/1.1 ")
"""What of a status line may come with the next read."""

STEMS = {
    "deploy": "application/vnd.vmware.vcloud.deployVAppParams",
    "undeploy": "application/vnd.vmware.vcloud.undeployVAppParams",
}


@dataclass(frozen=True, slots=True)
class Load:
    """One measured run."""

    name: str
    calls: int
    seconds: float
    cpu_seconds: float
    resident_bytes: int

    @property
    def per_second(self) -> float:
        return self.calls / self.seconds

    @property
    def per_cpu_second(self) -> float:
        return self.calls / self.cpu_seconds


class _Connection(asyncio.Protocol):
    """Sends prepared calls, ``UNDER_WAY`` at a time, and counts their answers by status line."""

    def __init__(self, calls: Iterator[bytes], done: asyncio.Future[None]) -> None:
        self.calls = calls
        self.done = done
        self.open = 0
        self.refused = 0
        self.tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._send(UNDER_WAY)

    def data_received(self, data: bytes) -> None:
        text = self.tail + data
        classes = list(_STATUS.finditer(text))
        self.refused += sum(one[1] != b"2" for one in classes)
        seen = classes[-1].end() if classes else 0
        self.tail = text[max(seen, len(text) - _LONGEST_PART) :]
        self.open -= len(classes)
        self._send(UNDER_WAY - self.open)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the simulator closed a connection"))

    def _send(self, count: int) -> None:
        calls = list(islice(self.calls, count))
        if calls:
            self.open += len(calls)
            self.transport.write(b"".join(calls))
        elif not self.open and not self.done.done():
            self.done.set_result(None)
            self.transport.close()


def call(form: str, action: str, vapp: str, token: str) -> bytes:
    """One Task-creating request as it goes over the wire."""
    word, deploy, undeploy = FORMS[form]
    body = deploy if action == "deploy" else undeploy
    head = (
        f"POST /api/vApp/{vapp}/action/{action} HTTP/1.1\r\nHost: simulator\r\nAuthorization: Bearer {token}\r\n"
        f"Accept: application/*+{word};version=39.0\r\nContent-Type: {STEMS[action]}+{word}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def fresh(form: str, token: str, count: int) -> Iterator[bytes]:
    """Deploys of vApps that nobody has named before."""
    return (call(form, "deploy", f"vapp-{uuid.uuid4()}", token) for _ in range(count))


def fixed(form: str, token: str, count: int, vapps: Sequence[str]) -> Iterator[bytes]:
    """Deploys and undeploys of the same vApps in turn."""
    rounds = cycle([call(form, action, vapp, token) for action in ("deploy", "undeploy") for vapp in vapps])
    return islice(rounds, count)


def drive(simulator: Simulator, name: str, streams: Sequence[Iterator[bytes]], count: int) -> Load:
    """All calls of the streams, one connection for each. Raises when one of them did not make a Task."""
    process = _process(simulator)
    created, cpu, start = simulator.state()["tasks"]["created"], _cpu_seconds(process), time.perf_counter()
    refused = asyncio.run(send_all(simulator.url, streams))
    seconds, cpu = time.perf_counter() - start, _cpu_seconds(process) - cpu
    made = simulator.state()["tasks"]["created"] - created
    if refused or made != count:
        raise RuntimeError(f"{name}: {made} Tasks for {count} calls, {refused} refused")
    return Load(name, count, seconds, cpu, process.memory_info().rss)


async def send_all(url: str, streams: Sequence[Iterator[bytes]]) -> int:
    """Every call of the streams, one connection for each; how many were not answered by 2xx."""
    loop, (host, _, port) = asyncio.get_running_loop(), url.removeprefix("http://").rpartition(":")
    protocols = []
    for stream in streams:
        make = partial(_Connection, stream, loop.create_future())
        _, protocol = await loop.create_connection(make, host, int(port))
        protocols.append(protocol)
    await asyncio.gather(*(protocol.done for protocol in protocols))
    return sum(protocol.refused for protocol in protocols)


def measure(count: int) -> Iterator[Load]:
    """JSON and XML, each with ever new vApps whose Tasks last 2 s, and with a fixed inventory whose Tasks last none."""
    share = count // CONNECTIONS
    for form in FORMS:
        with running_simulator(lenient_entities=True) as simulator:
            token = simulator.log_in().token
            streams = [fresh(form, token, share) for _ in range(CONNECTIONS)]
            yield drive(simulator, f"{form}, new vApps", streams, share * CONNECTIONS)
        with running_simulator(virtual_machines=VAPPS, task_seconds=0) as simulator:
            token = simulator.log_in().token
            vapps = [f"vapp-{well_known_uuid('vApp', 'acme', number + 1)}" for number in range(VAPPS)]
            streams = [fixed(form, token, share, vapps[number::CONNECTIONS]) for number in range(CONNECTIONS)]
            yield drive(simulator, f"{form}, {VAPPS} vApps", streams, share * CONNECTIONS)


def soak(count: int, step: int) -> Iterator[Load]:
    """Ever new vApps, a few Tasks that are looked at and queried meanwhile: memory after each ``step`` of calls."""
    with running_simulator(lenient_entities=True) as simulator:
        tenant = simulator.log_in()
        share = step // CONNECTIONS
        for number in range(count // step):
            forms = cycle(FORMS)
            streams = [fresh(next(forms), tenant.token, share) for _ in range(CONNECTIONS)]
            yield drive(simulator, f"{(number + 1) * step:,}", streams, share * CONNECTIONS)
            tenant.get("/api/query?type=task&sortDesc=startDate&pageSize=128")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks simulator", description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000, help="of each load")
    parser.add_argument("--soak", type=int, default=0, metavar="CALLS", help="instead: memory over so many calls")
    options = parser.parse_args(arguments)
    print(machine())
    _tell(soak(options.soak, 50_000) if options.soak else measure(options.calls))


def _tell(loads: Iterator[Load]) -> None:
    print(f"| {'':20} | {'calls/s':>8} | {'calls per CPU-s':>15} | {'resident MB':>11} |")
    print(f"|{'-' * 22}|{'-' * 9}:|{'-' * 16}:|{'-' * 12}:|")
    with suppress(BrokenPipeError):
        for load in loads:
            print(
                f"| {load.name:20} | {load.per_second:8.0f} | {load.per_cpu_second:15.0f} |"
                f" {load.resident_bytes / 1e6:11.0f} |",
                flush=True,
            )


def _process(simulator: Simulator) -> psutil.Process:
    if simulator.process is None:
        raise RuntimeError("the simulator is not a process of ours")
    return psutil.Process(simulator.process.pid)


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
