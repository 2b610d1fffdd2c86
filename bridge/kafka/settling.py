"""Ids of the bridge's own schemas: from the registry, or while it is away as the store remembers them.

What the registry settles rides in a header of every cursor, so a start or a failover during an outage of the registry
goes on with the ids of before. A header, not a field: a process of another version reads past it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from bridge.errors import BridgeError, ConfigurationError
from bridge.kafka.clients import tail
from bridge.kafka.config import KafkaConfig
from bridge.kafka.subjects import OwnSchema, SubjectState
from bridge.ports import Headers

if TYPE_CHECKING:
    from bridge.kafka.registry import SchemaRegistry

HEADER = "vb_schema_ids"
"""``<mark>=<id>`` of each schema, separated by blanks, ASCII."""


class Facts(Protocol):
    """Who is told what was settled, and what could not be."""

    def fact(self, event: str, **facts: object) -> None: ...

    def trouble(self, where: str, message: str, **facts: object) -> None: ...


class OwnSchemas:
    """Settles the ids at start. ``needed``: names of the schemas without whose ids there is nothing to start with."""

    def __init__(self, registry: SchemaRegistry, schemas: Sequence[OwnSchema], facts: Facts) -> None:
        self._registry = registry
        self._schemas = schemas
        self._facts = facts
        self.ids: dict[str, int] = {}
        """Name of the schema -> its id."""

    async def settle(
        self, *, register: bool, needed: Collection[str], kafka: KafkaConfig, changelogs: Sequence[str]
    ) -> None:
        """Ask the registry; where it cannot be asked, whatever is in its place, the store: any of its changelogs.

        Raises ConfigurationError when a subject cannot take a schema of ours, and what the registry's failure is when
        neither it nor the store gives the ids of ``needed``.
        """
        for schema in self._schemas:
            try:
                state = await self._registry.state(schema)
            except BridgeError as outage:
                # A wrong answer in the registry's place (a proxy's 404, a 401) is no word of it on our schema.
                await self._recall(outage, needed, kafka, changelogs)
                return
            await self._settle(state, register=register)

    async def _settle(self, state: SubjectState, *, register: bool) -> None:
        schema = state.schema
        self._take(schema, (await self._registry.put(state, register=register)).schema_id)
        self._facts.fact("schema.settled", subject=schema.subject, schema_id=self.ids[schema.name])
        if register and state.level_differs and not state.level_is_own:
            await self._give_level(state)

    async def _recall(
        self, outage: BridgeError, needed: Collection[str], kafka: KafkaConfig, changelogs: Sequence[str]
    ) -> None:
        remembered = await asyncio.to_thread(recall, kafka, changelogs)
        for schema in self._schemas:
            self._take(schema, remembered.get(self._registry.mark(schema)))
        if not self.ids.keys() >= set(needed):
            raise outage
        self._facts.trouble("schema registry", outage.message, remembered=self.ids)

    @property
    def header(self) -> Headers:
        """What the cursors are to remember."""
        marks = (f"{self._registry.mark(one)}={self.ids[one.name]}" for one in self._schemas if one.name in self.ids)
        text = " ".join(marks)
        return ((HEADER, text.encode()),) if text else ()

    def _take(self, schema: OwnSchema, schema_id: int | None) -> None:
        if schema_id is not None and schema.name not in self.ids:
            self.ids[schema.name] = schema_id
            self._registry.remember(schema_id, schema.text)

    async def _give_level(self, state: SubjectState) -> None:
        """A subject that nobody gave a level gets ours. The right to set it may lack: ``schemas check`` tells then."""
        try:
            await self._registry.set_level(state)
        except ConfigurationError as error:
            self._facts.trouble("schema registry", error.message, subject=state.schema.subject)


def recall(config: KafkaConfig, changelogs: Sequence[str]) -> Mapping[str, int]:
    """What the cursors of changelogs remember: mark -> id. Blocks. Raises TemporaryError or ConfigurationError."""
    found: dict[str, int] = {}
    for record in tail(config, changelogs, until_end=True):
        for name, value in record.headers if record is not None else ():
            if name == HEADER and value is not None:
                found.update(_read(value.decode("ascii", "replace")))
    return found


def _read(text: str) -> dict[str, int]:
    pairs = (pair.partition("=") for pair in text.split())
    return {mark: int(number) for mark, _, number in pairs if number.isascii() and number.isdecimal()}
