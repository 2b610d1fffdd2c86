"""One name with two addresses, of which the first is dead: what the transports make of it.

Names are resolved by the C library, so the test changes what it reads: in a process of its own, which sees another
``/etc/hosts`` than everybody else.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.vcd.transport.transports import Reply, TlsFiles
from tests.vcd.sending import KINDS, LIMITS, outcome_of, post

REPOSITORY = Path(__file__).resolve().parents[2]
HOSTS = "127.0.0.1 localhost\n127.0.0.2 vcd.example\n127.0.0.3 vcd.example\n"
MAP_ROOT = [] if os.geteuid() == 0 else ["--map-root-user"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a mount namespace")
def test_the_second_is_tried_before_anything_is_sent_and_never_after(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(HOSTS)
    script = f'mount --bind {hosts} /etc/hosts 2>/dev/null || exit 77; exec "$0" -m tests.vcd.test_two_addresses'
    ended = subprocess.run(
        ["unshare", "--mount", *MAP_ROOT, "sh", "-c", script, sys.executable],
        capture_output=True, text=True, timeout=30, cwd=REPOSITORY, check=False,
    )  # fmt: skip
    if ended.returncode == 77 or "unshare failed" in ended.stderr:
        pytest.skip("no mount namespaces here")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        line
        for kind in KINDS
        for line in (
            f"{kind} refused: 200 by 127.0.0.3",
            f"{kind} swallowed: connection_lost, never sent: False, by nobody",
        )
    ]


async def _answering(seen: list[str], host: str, port: int, *, swallow: bool) -> int:
    """Serves on an address; notes who was asked, or reads the request and leaves."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if not swallow:
            seen.append(writer.get_extra_info("sockname")[0])
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(serve, host, port)
    return int(server.sockets[0].getsockname()[1])


async def _try() -> None:
    for kind, make in KINDS.items():
        for what in ("refused", "swallowed"):
            seen: list[str] = []
            port = await _answering(seen, "127.0.0.3", 0, swallow=False)
            if what == "swallowed":
                await _answering(seen, "127.0.0.2", port, swallow=True)
            transport = make(LIMITS, TlsFiles())
            outcome = await outcome_of(transport, post(f"http://vcd.example:{port}"))
            await transport.close()
            told = (
                str(outcome.status)
                if isinstance(outcome, Reply)
                else f"{outcome.verdict.code}, never sent: {outcome.verdict.never_sent},"
            )
            sys.stdout.write(f"{kind} {what}: {told} by {', '.join(seen) or 'nobody'}\n")


if __name__ == "__main__":
    asyncio.run(_try())
