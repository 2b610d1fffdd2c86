"""The gateway's edge: whatever VCD sent, nothing of it is raised at the engine."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from bridge.core.answers import Unavailable
from bridge.vcd.config import EventLog

_T = TypeVar("_T")


class Guard:
    """Turns what nobody foresaw in an answer into words, and logs it: one odd answer must not end the process."""

    def __init__(self, log: EventLog | None) -> None:
        self._log = log

    async def reading(self, work: Awaitable[_T]) -> _T | Unavailable:
        """What ``work`` reads, or Unavailable."""
        try:
            return await work
        except Exception as error:  # noqa: BLE001  # see the class
            return Unavailable(f"an answer could not be read: {self.told(error)}")

    def told(self, error: Exception) -> str:
        """The error for people; logged with where it came from."""
        description = f"{type(error).__name__}: {error}"[:500]
        if self._log is not None:
            self._log.warning("vcd.unreadable_answer", detail=description, origin=_origin(error))
        return description


def _origin(error: Exception) -> str:
    """``file:line`` of the place that raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
