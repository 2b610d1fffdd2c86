"""Quick imports: what a program loads at its start stays, so looking for garbage among it only delays the start."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """For a block of imports: no cycles are looked for meanwhile, and never among what has been loaded.

    Of the start of ``vcd-bridge run`` the collector would take a third.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
