"""What the engine needs from outside, as protocols. Adapters implement them; the simulation doubles them."""

from __future__ import annotations

from bridge.ports.clock import Clock
from bridge.ports.codecs import EventCodec, ExternalCodec, ObservationCodec, RequestCodec, StoreCodec
from bridge.ports.control import ControlTopic
from bridge.ports.inbox import Assigned, AtEnd, Delivery, Headers, Inbox, InboxEvent, Lost, Records, Revoking
from bridge.ports.journal import (
    Committed,
    Journal,
    NotCommitted,
    OutRecord,
    PartitionEntries,
    RestoredPartition,
    Store,
    StoredRecord,
    TopicNames,
)
from bridge.ports.notifications import Hint, Notifications, SessionAccess
from bridge.ports.observer import Observer
from bridge.ports.vcd import VcdGateway

__all__ = [
    "Assigned",
    "AtEnd",
    "Clock",
    "Committed",
    "ControlTopic",
    "Delivery",
    "EventCodec",
    "ExternalCodec",
    "Headers",
    "Hint",
    "Inbox",
    "InboxEvent",
    "Journal",
    "Lost",
    "NotCommitted",
    "Notifications",
    "ObservationCodec",
    "Observer",
    "OutRecord",
    "PartitionEntries",
    "Records",
    "RequestCodec",
    "RestoredPartition",
    "Revoking",
    "SessionAccess",
    "Store",
    "StoreCodec",
    "StoredRecord",
    "TopicNames",
    "VcdGateway",
]
