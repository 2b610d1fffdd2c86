"""The catalogue as the simulator takes it."""

from __future__ import annotations

from bridge.catalogue.load import load
from bridge.catalogue.operation import Operation


def load_operations() -> tuple[Operation, ...]:
    """All operations, in the catalogue's order."""
    loaded = load()
    return tuple(loaded.values()) if isinstance(loaded, dict) else tuple(loaded)
