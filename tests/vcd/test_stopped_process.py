"""A process is stopped (SIGSTOP) when the connection of its call has been made, and goes on after the call's lease."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.vcd.certificates import Authority
from tests.vcd.peer import Exchange, listening

LEASE_SECONDS = 1.0
CALLER = f"""
import os, signal, sys, time
from pathlib import Path
import httpcore._async.connection, httpx, uvloop
from bridge.vcd.transport.httpx_transport import HttpxTransport
from bridge.vcd.transport.transports import Departure, TlsFiles, TransportFault, TransportLimits

connect = httpcore._async.connection.AsyncHTTPConnection._connect

async def connect_and_stop(connection, request):
    stream = await connect(connection, request)
    os.kill(os.getpid(), signal.SIGSTOP)
    return stream

httpcore._async.connection.AsyncHTTPConnection._connect = connect_and_stop

async def main(url, authorities):
    limits = TransportLimits(connections=1, connect=60.0, pool=60.0, answer=60.0)
    transport = HttpxTransport(limits, TlsFiles(authorities=Path(authorities)), time.monotonic)
    departure = Departure(time.monotonic() + {LEASE_SECONDS}, lambda: True)
    try:
        await transport.send(httpx.Request("POST", url, content=b"{{}}"), departure)
    except TransportFault as fault:
        print(fault.verdict.code, fault.verdict.never_sent)

uvloop.run(main(*sys.argv[1:]))
"""


async def test_a_call_does_not_leave_when_the_process_goes_on(authority: Authority) -> None:
    read = asyncio.Event()

    async def read_to_the_end(exchange: Exchange) -> None:
        try:
            await exchange.read_request()
        finally:
            read.set()

    async with listening(read_to_the_end, authority.server_context(authority.issue("server"))) as peer:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CALLER, f"{peer.url}/api/vApp/vapp-1/action/deploy", str(authority.file),
            stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        stopped = await asyncio.to_thread(os.waitid, os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        assert stopped is not None
        assert stopped.si_code == os.CLD_STOPPED, "it has ended before"
        await asyncio.sleep(LEASE_SECONDS)
        os.kill(process.pid, signal.SIGCONT)
        told, _ = await process.communicate()
        assert told == b"lease_expired True\n"
        await read.wait()
        assert peer.bytes_read == 0
