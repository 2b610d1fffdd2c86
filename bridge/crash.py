"""Named points at which a test can make the process die, exactly as ``kill -9`` would.

``VCD_BRIDGE_CRASH_AT=<name>[:<n>]`` (the n-th time the point is reached, 1 by default), honoured only with
``VCD_BRIDGE_TESTING=1``.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping

from bridge.errors import ConfigurationError

CRASH_POINTS: dict[str, str] = {
    "round_before_commit": "decided, nothing written",
    "offsets_sent": "records and offsets are in the transaction, the commit has not been asked for",
    "round_committed": "committed, nothing of it applied or called yet",
    "intent_committed": "the intent is durable, the call has not left",
    "call_answered": "VCD has answered, nothing of the answer is durable",
    "restored": "a partition is restored, nothing of it read or called yet",
    "handover": "a rebalance takes partitions away, nothing drained yet",
}
"""Name -> what is durable there."""


def crash_points(environ: Mapping[str, str]) -> Callable[[str], None]:
    """The function that the engine calls at each point; a no-op unless testing.

    Raises ConfigurationError for an unknown name, so that a misspelt test cannot pass by never crashing.
    """
    wanted = environ.get("VCD_BRIDGE_CRASH_AT")
    if not wanted or environ.get("VCD_BRIDGE_TESTING") != "1":
        return _nothing
    name, _, times = wanted.partition(":")
    if name not in CRASH_POINTS:
        raise ConfigurationError(
            f"VCD_BRIDGE_CRASH_AT names no crash point: {name!r}", hint=f"one of {', '.join(CRASH_POINTS)}"
        )
    left = int(times or 1)

    def reach(point: str) -> None:
        nonlocal left
        if point == name:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return reach


def _nothing(point: str) -> None:
    """Not testing."""
