"""A member that stops itself (SIGSTOP) with an open transaction, and goes on with it when it is continued.

Run as a process of its own: ``python -m tests.kafka.zombie BOOTSTRAP NAMES PROPERTIES``, the last two as JSON. It needs
two partitions. Writes a line before it stops and one with the outcome of the transaction.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading

from bridge.ports import Committed, TopicNames
from tests.kafka.member import Stage, running

OPEN_AT = "send_offsets_to_transaction"
"""Everything is produced and flushed, nothing of the fence has been asked yet."""


async def main() -> None:
    bootstrap, names, properties = sys.argv[1:]
    stage = Stage(bootstrap, TopicNames(**json.loads(names)))
    async with running(stage, json.loads(properties)) as member:
        await member.until(lambda: len(member.owned) == 2)
        first, second = sorted(member.owned, key=stage.order)
        assert await member.commit(first, event=b"before") == Committed()
        writer = member.journal._writer
        assert writer is not None
        at_step = writer._step

        def stop(step: str) -> None:
            at_step(step)
            if step == OPEN_AT:
                writer._step = at_step
                print("open", flush=True)
                # To this very thread: a stop sent to the process lets it run on until another thread has taken it
                # (measured: up to 55 ms on busy cores), long enough to commit as the owner that it still is.
                signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

        writer._step = stop
        both = [member.entries(at, event=b"stale", next_offset=7) for at in (first, second)]
        outcome = await member.journal.commit(both)
        again = await member.journal.commit(both)
        print(json.dumps([repr(outcome), repr(again)]), flush=True)
        os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
