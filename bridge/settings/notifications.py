"""The section ``notifications``: Cloud Director's message bus."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bridge.settings.section import Section


class NotificationSettings(Section):
    """Cloud Director's message bus (MQTT over WebSocket): a Task's news is read at once instead of at the next look.
    What the bus loses is found by looking all the same."""

    enabled: bool = False
    """Whether to listen. The login needs no right of its own; ``vcd.url`` and its ``/messaging/mqtt`` have to be
    reachable by WebSocket."""
    topic: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Topic filter to subscribe to. Absent: ``publish/<organization>/+``, of a provider login ``publish/#``."""
