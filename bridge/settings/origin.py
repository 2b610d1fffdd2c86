"""Where an effective value came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OriginKind = Literal["default", "file", "environment", "secret file"]


@dataclass(frozen=True, slots=True)
class Origin:
    """``detail``: the settings file, the variable, or the secret's file; empty for a default."""

    kind: OriginKind
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.detail}".strip()


DEFAULT = Origin("default")


@dataclass(frozen=True, slots=True)
class Effective:
    """One setting as it is in force. ``value`` is JSON-able and masked where secret; None: not set."""

    name: str
    value: object
    origin: Origin
    description: str
