"""Deliberate bugs in the bridge's protocol, by the part of it that they break. ``mutants`` has them all."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.mutants.table import Mutant


def mutants() -> Mapping[str, Mutant]:
    """By name."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return importlib.import_module(f"{__name__}.table").MUTANTS  # type: ignore[no-any-return]
