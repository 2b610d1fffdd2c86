"""The section ``external_tasks``: work done elsewhere that is shown in Cloud Director."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from bridge.core.external_limits import MAX_EXPIRE_AFTER, namespace_objection
from bridge.settings.section import Section
from bridge.settings.types import Rate, Seconds

ExpireAfter = Annotated[float, Field(gt=0, le=MAX_EXPIRE_AFTER.total_seconds(), allow_inf_nan=False)]


def _namespace(name: str) -> str:
    objection = namespace_objection(name)
    if objection is not None:
        shown = f"{name[:40]}…" if len(name) > 40 else name
        raise ValueError(f"the serviceNamespace {shown!r} {objection}")
    return name


def _tables(value: object) -> object:
    """TOML reads a bare ``com.example.tickets`` as nested tables; a namespace is the table that holds settings."""
    return dict(_leaves(value, "")) if isinstance(value, Mapping) else value


def _leaves(table: Mapping[str, object], prefix: str) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for name, inner in table.items():
        if isinstance(inner, Mapping) and inner and all(isinstance(member, Mapping) for member in inner.values()):
            found += _leaves(inner, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", inner))
    return found


class NamespaceSettings(Section):
    """What differs for one ``serviceNamespace``."""

    expire_after_seconds: ExpireAfter | None = None
    """As ``external_tasks.expire_after_seconds``; absent: that."""


def _named(tables: dict[str, NamespaceSettings]) -> dict[str, NamespaceSettings]:
    for name in tables:
        _namespace(name)
    return tables


Namespaces = Annotated[dict[str, NamespaceSettings], BeforeValidator(_tables), AfterValidator(_named)]


class ExternalTaskSettings(Section):
    """Work done elsewhere, shown in Cloud Director. On as soon as a namespace is set; it needs a provider login."""

    service_namespace: Annotated[str, AfterValidator(_namespace)] | None = None
    """``serviceNamespace`` of commands that name none: 1-128 symbols, your organization's own, not beginning with
    ``com.vmware.vcloud``. Without it and ``namespaces``, external tasks are off and their topic is not read."""
    namespaces: Namespaces = Field(default_factory=dict)
    """Further namespaces that commands may name: a table ``[external_tasks.namespaces."NAME"]`` each, empty or with an
    ``expire_after_seconds`` of its own. Commands may name no others."""
    expire_after_seconds: ExpireAfter = 604_800.0
    """A Task whose owner has sent nothing for so long is ended by the bridge, after one look; a command can say
    otherwise for its Task. 7 days: a change may rest over a weekend, but none stays ``running`` for ever."""
    expired_status: Literal["aborted", "error"] = "aborted"
    """How such a Task ends. ``aborted``: nobody knows that the work failed."""
    cancel_check_seconds: Seconds = 15.0
    """Time between two looks at each running Task for the cancel that a person asked for in Cloud Director. Queries do
    not show it, so each look is a request."""
    max_reads_per_second: Rate = 20.0
    """Requests per second and process for those looks; with more running Tasks than it covers, the time between two
    looks grows."""
    update_interval_seconds: Seconds = 1.0
    """At most one update per Task in this time; what comes faster goes out together. An end never waits for it."""
    create_wait_seconds: Seconds = 60.0
    """How long an update or a finish waits for its create before it is rejected."""
    orphans: Literal["report", "adopt", "end"] = "report"
    """What becomes of running Tasks with this bridge's mark that it has no record of. ``report``: told in log and
    metrics only; ``adopt``: followed again; ``end``: ended as ``expired_status``. Tasks without the mark, or with
    another group's, are never touched."""

    @property
    def is_on(self) -> bool:
        """Whether external tasks are taken at all."""
        return self.service_namespace is not None or bool(self.namespaces)

    @property
    def allowed(self) -> frozenset[str]:
        """Every ``serviceNamespace`` that a command may have."""
        own = () if self.service_namespace is None else (self.service_namespace,)
        return frozenset((*own, *self.namespaces))

    def expire_after(self, namespace: str) -> float:
        """Seconds of silence after which a Task of this namespace is ended."""
        table = self.namespaces.get(namespace)
        own = table.expire_after_seconds if table is not None else None
        return self.expire_after_seconds if own is None else own
