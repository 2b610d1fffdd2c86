"""What the decisions about external tasks depend on, built once from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from bridge.core.policy import Policy


class OrphanPolicy(StrEnum):
    """What becomes of a running Task that carries our mark and that no lifecycle of ours has."""

    REPORT = "report"
    ADOPT = "adopt"
    END = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalRules:
    """``namespaces``: the service namespaces that may be used, each with the time after which a Task whose owner is
    silent is ended. ``expired_status``: the status it is ended with."""

    group_id: str
    default_namespace: str | None
    namespaces: Mapping[str, timedelta]
    dropped_silence: timedelta = timedelta(days=7)
    """The time of a namespace that the settings have dropped while it has Tasks."""
    expired_status: str = "aborted"
    update_interval: timedelta = timedelta(seconds=1)
    """At most one update of a Task is sent in this time; what comes in between goes with the next one."""
    create_wait: timedelta = timedelta(seconds=60)
    """How long an update or finish waits for the create of its key."""
    orphans: OrphanPolicy = OrphanPolicy.REPORT
    policy: Policy = field(default_factory=Policy)
    """Its organizations are those in whose lists Tasks may be made."""

    def silence(self, namespace: str) -> timedelta:
        """How long owners of this namespace may be silent; the settings may have dropped one that has Tasks yet."""
        return self.namespaces.get(namespace, self.dropped_silence)
