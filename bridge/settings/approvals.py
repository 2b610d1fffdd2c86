"""The section ``approvals``: decisions on what Cloud Director holds until somebody decides."""

from __future__ import annotations

from bridge.settings.section import Section


class ApprovalSettings(Section):
    """Decisions on blocking tasks, on a topic of their own: who may write there may decide."""

    enabled: bool = False
    """Whether ``topics.approvals`` is read. VCD shows blocking tasks to system administrators alone, so it needs a
    provider login. Decisions are then taken there and nowhere else, whatever ``policy.allow_operations`` names."""
