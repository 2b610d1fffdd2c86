"""How soon a Task that messages name is read again."""

from __future__ import annotations

PAUSE_SECONDS = 0.15
"""Between two readings of one Task: what is said of it meanwhile is seen by the second."""
QUIET = 3
"""So many readings in a row may show nothing new: messages come twice, and before what they tell can be read."""
LONGER = 4
"""By so much each pause after those is longer."""
END_PAUSE_SECONDS = 0.05
"""Where it is said to have ended: there is nothing more to wait for."""


def pause_after(quiet: int, longest: float, *, ends: bool = False) -> float:
    """Seconds from a reading to the next one, however often the Task is named. ``quiet``: readings in a row that
    messages have asked for and that showed nothing new; ``ends``: it is said to have ended.
    """
    if ends:
        return min(longest, END_PAUSE_SECONDS)
    pause = PAUSE_SECONDS * float(LONGER ** min(max(0, quiet - QUIET), 10))
    return min(longest, pause)
