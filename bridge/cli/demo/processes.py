"""The demo's processes: each a ``vcd-bridge`` verb, started, waited for, and ended whatever happens."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from bridge.errors import BridgeError

START_SECONDS = 30.0
STOP_SECONDS = 5.0


class DemoFailed(BridgeError):
    """Something did not go as the demo promises."""

    exit_code = 1


class Child:
    """One running verb. Its standard error goes to ``log``."""

    def __init__(self, name: str, process: Process, log: Path) -> None:
        self.name = name
        self.process = process
        self.log = log

    async def ready(self, seconds: float = START_SECONDS) -> str:
        """What follows ``ready`` on its standard output. Raises DemoFailed when it ends or is too slow."""
        try:
            async with asyncio.timeout(seconds):
                async for line in self.lines():
                    if line.startswith("ready"):
                        return line.removeprefix("ready").strip()
        except TimeoutError:
            raise self._failed(f"was not ready within {seconds:g} s") from None
        code = await self.process.wait()
        raise self._failed(f"ended before it was ready (exit code {code})")

    async def output(self) -> list[str]:
        """Lines of its standard output when it has ended. Raises DemoFailed when it did not succeed."""
        lines = [line async for line in self.lines()]
        if code := await self.process.wait():
            raise self._failed(f"ended with exit code {code}")
        return lines

    async def lines(self) -> AsyncIterator[str]:
        """Lines of its standard output, until it ends."""
        stream = self.process.stdout
        while stream is not None and (line := await stream.readline()):
            yield line.decode().rstrip("\n")

    async def kill(self) -> None:
        """``kill -9``."""
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL for what does not listen."""
        if self.process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self.process.wait()
        except TimeoutError:
            await self.kill()

    def _failed(self, what: str) -> DemoFailed:
        last = self.log.read_text(errors="replace").splitlines()[-5:] if self.log.exists() else []
        return DemoFailed(f"the {self.name} {what}", hint="\n".join(last))


class Children:
    """Starts verbs and ends them all, last first."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._children: list[Child] = []
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("VCD_BRIDGE_")}

    async def start(self, name: str, *arguments: str) -> Child:
        """Start ``vcd-bridge ARGUMENTS``, tied to this process: see ``tied``.

        In a session of its own, so that Ctrl-C reaches only the demo.
        """
        log = self._directory / f"{name}.{len(self._children)}.log"
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bridge.cli.tied", *arguments, stdin=PIPE, stdout=PIPE, stderr=errors,
                env=self._environment, start_new_session=True, limit=2**22,
            )  # fmt: skip
        child = Child(name, process, log)
        self._children.append(child)
        return child

    async def run(self, name: str, *arguments: str) -> list[str]:
        """Run a verb to its end and return its lines. Raises DemoFailed when it does not succeed."""
        return await (await self.start(name, *arguments)).output()

    async def stop(self) -> None:
        for child in reversed(self._children):
            await child.stop()


@asynccontextmanager
async def children(directory: Path) -> AsyncIterator[Children]:
    """Children that are gone when the block is left."""
    started = Children(directory)
    try:
        yield started
    finally:
        await started.stop()
