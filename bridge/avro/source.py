"""Where codecs learn schemas that a registry holds."""

from __future__ import annotations

from typing import Protocol


class SchemaSource(Protocol):
    """Schemas by id. What was learnt is kept for ever: an id never gets another schema.

    An id above 2**32 is a schema GUID as one number (``framing.guid_text``).
    """

    def known(self, schema_id: int) -> str | None:
        """Text of an Avro schema learnt before, self-contained; None when it has not been learnt. Never blocks."""
        ...

    def refused(self, schema_id: int) -> str | None:
        """Why the registry itself said, a short while ago, that this id gives no Avro schema; else None."""
        ...

    async def learn(self, schema_id: int) -> None:
        """Ask the registry, bounded in time; returns also when it cannot be reached. Never raises."""
        ...
