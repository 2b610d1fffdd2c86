"""Verbs that end on Ctrl-C at once, whatever a client library is doing."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import ParamSpec

P = ParamSpec("P")
EXIT_INTERRUPTED = 130
_LOOK_SECONDS = 0.2
"""Longest that a signal stays unnoticed."""


def interruptible(verb: Callable[P, None]) -> Callable[P, None]:
    """The verb, done in a thread of its own while the main thread waits, and hears signals.

    Python handles a signal in the main thread, between two of its own instructions: a call into librdkafka would keep
    it waiting until its time-out. Not for verbs with signal handlers of their own.
    """

    @functools.wraps(verb)
    def waiting(*args: P.args, **kwargs: P.kwargs) -> None:
        done: Future[None] = Future()

        def work() -> None:
            try:
                verb(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001  # the main thread raises it
                done.set_exception(error)
            else:
                done.set_result(None)

        threading.Thread(target=work, name=verb.__name__, daemon=True).start()
        # A signal that comes just before the main thread blocks is noticed when it has blocked: not for long.
        while not done.done():
            wait((done,), timeout=_LOOK_SECONDS)
        done.result()

    return waiting
