"""Where the ways to break a clean run are kept, each with what the checker has to say of it."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.made import Made

Break = Callable[[Made], None]
BREAKAGES: dict[str, tuple[str, Break]] = {}
"""Name of what breaks the clean run -> what has to be said of it (a pattern), and the breaking."""


def said(pattern: str) -> Callable[[Break], Break]:
    def keep(broken: Break) -> Break:
        assert broken.__name__ not in BREAKAGES
        BREAKAGES[broken.__name__] = (pattern, broken)
        return broken

    return keep
