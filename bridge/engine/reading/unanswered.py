"""Why a question to VCD has no answer."""

from __future__ import annotations

from bridge.core.answers import ReadRefused, TaskPage, Unavailable


class NotNow(Exception):
    """VCD could not be asked; the look is made again later. Says nothing about the call."""


class Unreadable(Exception):
    """VCD will not answer the query, or its answer cannot be read whole: finding nothing proves nothing."""


def answered(answer: TaskPage | ReadRefused | Unavailable) -> TaskPage:
    """Raises NotNow, and Unreadable."""
    if isinstance(answer, ReadRefused):
        raise Unreadable(f"the task query is refused with {answer.http_status}: {answer.message}")
    if isinstance(answer, Unavailable):
        raise NotNow(answer.message)
    return answer
