"""A process is stopped (SIGSTOP) while the connection of its call is made, and goes on after the call's lease."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from tests.vcd.certificates import Authority

LEASE_SECONDS = 1.0
CALLER = f"""
import asyncio, sys, time
from pathlib import Path
import httpx
from bridge.vcd.transport.httpx_transport import HttpxTransport
from bridge.vcd.transport.transports import Departure, TlsFiles, TransportFault, TransportLimits

async def main(url, authorities):
    limits = TransportLimits(connections=1, connect=60.0, pool=60.0, answer=60.0)
    transport = HttpxTransport(limits, TlsFiles(authorities=Path(authorities)), time.monotonic)
    departure = Departure(time.monotonic() + {LEASE_SECONDS}, lambda: True)
    try:
        await transport.send(httpx.Request("POST", url, content=b"{{}}"), departure)
    except TransportFault as fault:
        print(fault.verdict.never_sent)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_call_does_not_leave_when_the_process_goes_on(authority: Authority) -> None:
    certificate = authority.server_context(authority.issue("server"))
    read: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    caller: asyncio.Future[asyncio.subprocess.Process] = asyncio.get_running_loop().create_future()

    async def stop_while_it_connects(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pid, stopped = (await caller).pid, time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
        await asyncio.sleep(stopped + LEASE_SECONDS - time.monotonic())
        os.kill(pid, signal.SIGCONT)
        try:
            await writer.start_tls(certificate)
            read.set_result(await reader.read(1))
        except OSError:  # it has hung up before the handshake was over
            read.set_result(b"")
        writer.close()

    async with await asyncio.start_server(stop_while_it_connects, "127.0.0.1", 0) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/vApp/vapp-1/action/deploy"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CALLER, url, str(authority.file), stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
        caller.set_result(process)
        told, _ = await process.communicate()
        assert (await read, told) == (b"", b"True\n")
