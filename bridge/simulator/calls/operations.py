"""The catalogue as the simulator takes it."""

from __future__ import annotations

from bridge.catalogue.load import load
from bridge.catalogue.operation import Operation


def load_operations() -> tuple[Operation, ...]:
    """All operations, in the catalogue's order."""
    return tuple(load().values())
