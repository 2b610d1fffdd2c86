"""What an external task may be given: settings, records and decisions are held to one rule."""

from __future__ import annotations

from datetime import timedelta

MAX_NAMESPACE = 128
"""Symbols of a ``serviceNamespace`` (VMware's TaskType page)."""
RESERVED_NAMESPACE = "com.vmware.vcloud"
"""VMware's own namespaces begin so (same page); in any case here, or one could be taken for VMware's."""
MAX_EXPIRE_AFTER = timedelta(days=3650)
"""Longest silence of an owner that can be asked for: beyond any Task, within what times can hold."""
MAX_EXTERNAL_KEY = 256
"""Printable characters of an external key: it stands in the Task's ``operation`` and in every event."""


def namespace_objection(name: str) -> str | None:
    """Why VCD would not take the name as a ``serviceNamespace``, and what to do; None: nothing is wrong with it."""
    if not name:
        return "is empty: give a name of your organization's own, e.g. com.example.tickets"
    if len(name) > MAX_NAMESPACE:
        return f"has {len(name)} symbols, more than {MAX_NAMESPACE}: give a shorter name"
    if name.lower().startswith(RESERVED_NAMESPACE):
        return f"begins with {RESERVED_NAMESPACE}, which is VMware's own: give a name of your organization's own"
    if "*" in name:
        return "holds a *, which VCD's queries read as any text: leave it out"
    if not name.isprintable() or name != name.strip():
        return "holds control characters, or begins or ends with a space: leave them out"
    return None
