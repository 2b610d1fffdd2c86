"""What a record's document looks like, for telling flat from nested and known names from unknown ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """How a dotted name goes on behind its root."""

    levels: bool = False
    """Each dot is a level; else what follows the first dot is the member's name, dots and all."""
    free: bool = False
    """The content is not ours: a null in it is a value. Elsewhere it is nothing given."""
    from_text: bool = False
    """The object may come as its JSON text, the only way to a list in flat JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One kind of record."""

    record: str
    """Name of the Avro record, as people read it."""
    fields: tuple[str, ...]
    inside: Mapping[str, Inside]
    """Fields that have members, which a dotted name can name."""
    objects: Mapping[str, tuple[str, ...]]
    """Members of the objects that have no others, by the object's dotted name."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Names that VCD has and the record has not, with the reason; ``name.`` stands for all members of a field."""

    def refusal(self, name: str) -> str | None:
        """Why a (dotted) name cannot be given, where there is more to say than that it is unknown."""
        root = name.partition(".")[0]
        return (
            self.refused.get(name) or self.refused.get(root) or ("." in name and self.refused.get(f"{root}.")) or None
        )
