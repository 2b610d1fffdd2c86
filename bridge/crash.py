"""Named points at which a test can make the process die, exactly as ``kill -9`` would, or stand still.

``VCD_BRIDGE_CRASH_AT=<name>[:<n>][,<name>[:<n>]…][:stop|:hold]`` (the n-th time the point is reached, 1 by default,
each counted from where the one before it was reached), honoured only with ``VCD_BRIDGE_TESTING=1``. Until somebody
sends SIGCONT, with ``stop`` the whole process stands still (SIGSTOP), with ``hold`` only the thread that got there.
"""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Mapping

from bridge.errors import ConfigurationError

CRASH_POINTS: dict[str, str] = {
    "polled": "records have been read from the input, the engine has not got them",
    "round_before_commit": "decided, nothing written",
    "intent_decided": "a call is decided, its intent is not written",
    "records_produced": "records are in the transaction, offsets are not: the fence has not been asked",
    "offsets_sent": "records and offsets are in the transaction, the commit has not been asked for",
    "commit_answered": "committed, the engine has not been told",
    "round_committed": "committed, nothing of it applied or called yet",
    "answer_committed": "an answer of VCD is durable, nothing has followed from it",
    "end_committed": "an end is durable and told, its lane has not been given on",
    "command_committed": "a command about an external task is durable, nothing has followed from it",
    "intent_committed": "the intent is durable, the call has not left",
    "request_leaving": "the intent is durable, the request would go to the wire next",
    "call_answered": "VCD has answered, nothing of the answer is durable",
    "references_read": "what a task, decision or observation names has been read, nothing of it is durable",
    "looked": "an unknown outcome has been looked into, nothing of what was seen is durable",
    "cancel_answered": "VCD has answered a cancel, nothing of the answer is durable",
    "token_rotated": "VCD has told the next token of a service account, the file has the one before, which is dead",
    "token_saved": "the next token of a service account is in its file, its session has not been used",
    "restoring": "a part of a partition's store is read",
    "restored": "a partition is restored, nothing of it read or called yet",
    "handover": "a rebalance takes partitions away, nothing drained yet",
}
"""Name -> what is durable there."""

_POINT = r"\w+(?::[1-9][0-9]*)?"
_WANTED = re.compile(rf"(?P<points>{_POINT}(?:,{_POINT})*)(?::(?P<how>stop|hold))?")


def crash_points(environ: Mapping[str, str]) -> Callable[[str], None]:
    """The function that the engine calls at each point; a no-op unless testing.

    Raises ConfigurationError for an unknown name, so that a misspelt test cannot pass by never crashing.
    """
    wanted = environ.get("VCD_BRIDGE_CRASH_AT")
    if not wanted or environ.get("VCD_BRIDGE_TESTING") != "1":
        return _nothing
    match = _WANTED.fullmatch(wanted)
    ahead = [name for point in match["points"].split(",") for name in _times(*point.split(":"))] if match else []
    if match is None or not set(ahead) <= set(CRASH_POINTS):
        raise ConfigurationError(
            f"VCD_BRIDGE_CRASH_AT is no <name>[:<n>][,<name>[:<n>]…][:stop|:hold]: {wanted!r}",
            hint=f"names: {', '.join(CRASH_POINTS)}",
        )
    strike = _holding() if match["how"] == "hold" else _signal(signal.SIGSTOP if match["how"] else signal.SIGKILL)

    def reach(point: str) -> None:
        if ahead and point == ahead[0]:
            del ahead[0]
            if not ahead:
                strike()

    return reach


def _signal(what: signal.Signals) -> Callable[[], None]:
    # To this very thread: a stop that is sent to the process lets it run on until another has taken it.
    return lambda: signal.pthread_kill(threading.get_ident(), what)


def _holding() -> Callable[[], None]:
    """The thread reads a pipe that SIGCONT writes to: unlike a lock, that is safe if the main thread itself is held."""
    held, released = os.pipe()
    signal.signal(signal.SIGCONT, lambda *_: os.write(released, b"."))

    def hold() -> None:
        os.read(held, 1)

    return hold


def _times(name: str, times: str = "1") -> list[str]:
    return [name] * int(times)


def _nothing(point: str) -> None:
    """Not testing."""
