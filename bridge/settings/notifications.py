"""The section ``notifications``: Cloud Director's message bus."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bridge.settings.section import Section


class NotificationSettings(Section):
    """Cloud Director's message bus (MQTT over WebSocket): a Task's news is read at once instead of at the next look.
    What the bus loses is found by looking all the same."""

    enabled: bool = False
    """Whether to listen. ``/messaging/mqtt`` of ``vcd.url`` has to be reachable by WebSocket, and the login to be an
    administrator's of its organization; another one hears its own user's messages, see ``topic``."""
    topic: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Topic filter to subscribe to. Absent: ``publish/<organization>/+``, of a provider login ``publish/#``; of its own
    user's alone ``publish/<organization>/<user>``, both as uuids."""
