"""What contradicts the guarantees: a sentence, what sort of harm it is, and which stories it is about."""

from __future__ import annotations

from enum import StrEnum


class Harm(StrEnum):
    """What sort of harm a violation tells of, as a campaign counts it."""

    LOST = "lost"
    """Asked for or told, and gone: a record, an effect's story, an event, an end."""
    DOUBLED = "doubled"
    """Done, opened or told twice."""
    GAP = "gap"
    """A story with a hole or a repeat in its sequence."""
    ORDER = "order"
    """Something happened before what it had to follow."""
    OTHER = "other"


class Violation(str):
    """The sentence itself, which starts with the guarantee's name; ``births`` are the stories it is about, the one
    that suffers first."""

    __slots__ = ("births", "kind")

    kind: Harm
    births: tuple[str, ...]

    def __new__(cls, kind: Harm, text: str, *births: str) -> Violation:
        made = super().__new__(cls, text)
        made.kind = kind
        made.births = births
        return made

    def __getnewargs__(self) -> tuple[Harm, str, *tuple[str, ...]]:  # type: ignore[override]
        """What makes it anew in another process."""
        return self.kind, str(self), *self.births

    @property
    def guarantee(self) -> str:
        """``I1`` to ``I10``."""
        return self.partition(" ")[0]


def lost(text: str, *births: str) -> Violation:
    return Violation(Harm.LOST, text, *births)


def doubled(text: str, *births: str) -> Violation:
    return Violation(Harm.DOUBLED, text, *births)


def gap(text: str, *births: str) -> Violation:
    return Violation(Harm.GAP, text, *births)


def disordered(text: str, *births: str) -> Violation:
    return Violation(Harm.ORDER, text, *births)


def amiss(text: str, *births: str) -> Violation:
    return Violation(Harm.OTHER, text, *births)
