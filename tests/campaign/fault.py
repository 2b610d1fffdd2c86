"""What a fault is, and which there are."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from tests.campaign import faults as modules

if TYPE_CHECKING:
    from tests.campaign.stage import Stage

PARTS = ("process", "group", "broker", "network", "positions", "vcd", "store", "load", "soak")
"""What can be struck, in the order of the table."""


AT_MOST_SECONDS = 22.0
"""How long a partition may be without a word, and how long recovery may take, where a fault says nothing else.

Twice what the death of an owner takes: its session (6 s at most), its calls' lease (2 s), and an answer of VCD that
does not come (3 s). Twice, because the next owner may die too, and the machine does other work.
"""


class Verdict(StrEnum):
    """What came of a fault."""

    SURVIVES = "survived"
    """Every story ended or was parked with its reason, and the checker is content."""
    REFUSES = "refused"
    """The bridge would not go on and said why, in words that name the cause; nothing was done wrong meanwhile."""
    FAILS = "FAILED"


Play = Callable[["Stage"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One line of the campaign.

    ``nodes``: how many Kafka needs, one or three. ``overrides``: broker settings; a fault that has some gets a cluster
    of its own. ``breaks``: the cluster is of no use to others afterwards. ``minutes``: about how long it takes.
    ``needs_hours``: it is left out unless somebody says how many. ``at_most_stall``, ``at_most_recovery``: in seconds;
    beyond them it has failed. A fault that itself keeps work from going on allows for that.
    """

    name: str
    part: str
    what: str
    play: Play
    nodes: int = 1
    expects: Verdict = Verdict.SURVIVES
    overrides: Mapping[str, str] = field(default_factory=dict)
    breaks: bool = False
    minutes: float = 0.5
    needs_hours: bool = False
    at_most_stall: float = AT_MOST_SECONDS
    at_most_recovery: float = AT_MOST_SECONDS


_FAULTS: dict[str, Fault] = {}


def fault(
    name: str,
    part: str,
    *,
    what: str | None = None,
    nodes: int = 1,
    expects: Verdict = Verdict.SURVIVES,
    overrides: Mapping[str, str] | None = None,
    breaks: bool = False,
    minutes: float = 0.5,
    needs_hours: bool = False,
    at_most_stall: float = AT_MOST_SECONDS,
    at_most_recovery: float = AT_MOST_SECONDS,
) -> Callable[[Play], Play]:
    """Marks a function as a fault. ``what`` None: the first paragraph of its docstring."""

    def register(play: Play) -> Play:
        told = what or (inspect.getdoc(play) or "").partition("\n\n")[0]
        assert name not in _FAULTS, f"{name} is there twice"
        assert part in PARTS, f"{name}: no part is called {part}"
        assert told, f"{name} does not say what it is"
        _FAULTS[name] = Fault(
            name=name, part=part, what=" ".join(told.split()), play=play, nodes=nodes, expects=expects,
            overrides=overrides or {}, breaks=breaks, minutes=minutes, needs_hours=needs_hours,
            at_most_stall=at_most_stall, at_most_recovery=at_most_recovery,
        )  # fmt: skip
        return play

    return register


def faults() -> list[Fault]:
    """Every fault there is, by part, in the order of their modules."""
    for module in pkgutil.iter_modules(modules.__path__):
        importlib.import_module(f"{modules.__name__}.{module.name}")
    return sorted(_FAULTS.values(), key=lambda one: PARTS.index(one.part))


def named(patterns: list[str]) -> list[Fault]:
    """The faults that have one of these names, patterns (``kill*``) or parts; all for none. Raises LookupError for a
    pattern that fits nothing."""
    every = faults()
    for pattern in patterns:
        if not any(_fits(one, pattern) for one in every):
            raise LookupError(f"no fault is called {pattern!r}")
    return [one for one in every if not patterns or any(_fits(one, pattern) for pattern in patterns)]


def _fits(one: Fault, pattern: str) -> bool:
    return one.part == pattern or fnmatchcase(one.name, pattern)
