"""The bridge's own schemas and how they stand under their subjects in the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class OwnSchema:
    """A schema of the bridge's and what must hold of its subject.

    ``level``: how it may evolve, as a registry spells it. ``forbids``: given the versions before it (number -> text),
    why it may not follow them; empty: it may.
    """

    name: str
    subject: str
    text: str
    level: str
    forbids: Callable[[Mapping[int, str]], Sequence[str]] = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class SubjectState:
    """How a schema of ours stands in the registry.

    ``schema_id`` None: the subject lacks the schema. ``objections``: why it may not follow the versions before it.
    ``level``: compatibility level in force, set on the subject or else globally; None: cannot be read.
    ``level_is_own``: the registry names it for the subject, as Apicurio 2.6 does for every subject that exists.
    """

    schema: OwnSchema
    schema_id: int | None
    exists: bool
    objections: tuple[str, ...]
    level: str | None
    level_is_own: bool

    @property
    def level_differs(self) -> bool:
        """The registry would let others register what may not follow, or refuse what may."""
        return self.level is not None and self.level != self.schema.level
