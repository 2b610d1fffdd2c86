"""Which lifecycles are wanted."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from bridge.avro.framing import text_header
from bridge.cli.options import UsageError
from bridge.core.lifecycle import Ended, Kind, Lifecycle, Phase

if TYPE_CHECKING:
    from bridge.ports import StoredRecord

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


_SIGHTED = frozenset({Kind.OBSERVED_TASK, Kind.BLOCKING_TASK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """None and empty: all, but what observations have seen only where its ``kind`` is asked for.

    ``operation`` is a pattern (``*VApp``); ``entity`` a uuid in any spelling, or a part of its path;
    ``received_before`` and ``ended_since`` are aware times.
    """

    phases: Collection[Phase] = ()
    operation: str | None = None
    entity: str | None = None
    kind: Kind | None = None
    received_before: datetime | None = None
    ended_since: datetime | None = None

    def takes_record(self, record: StoredRecord) -> bool:
        """Judged by the headers, before anything is decoded: whether a state may be wanted."""
        phase, kind = text_header(record.headers, "vb_phase"), text_header(record.headers, "vb_lifecycle")
        return (
            (not self.phases or phase is None or phase in self.phases)
            and (kind is None or self._takes_kind(kind))
            and (self.operation is None or self._fits_operation(text_header(record.headers, "vb_operation")))
        )

    def takes(self, one: Lifecycle) -> bool:
        return (
            (not self.phases or one.phase in self.phases)
            and self._takes_kind(one.kind)
            and (self.operation is None or self._fits_operation(one.operation))
            and (self.received_before is None or one.received_at <= self.received_before)
            and (self.entity is None or self._fits_entity(one))
        )

    def takes_ended(self, one: Ended) -> bool:
        """An ending remembers neither operation nor entity."""
        if self.phases or self.operation is not None or self.entity is not None or self.received_before is not None:
            return False
        kind = Kind.ACTION_REQUEST if one.external_key is None else Kind.EXTERNAL_TASK
        return (self.kind is None or self.kind is kind) and (
            self.ended_since is None or one.ended_at >= self.ended_since
        )

    def _takes_kind(self, kind: str) -> bool:
        return kind not in _SIGHTED if self.kind is None else kind == self.kind

    def _fits_operation(self, operation: str | None) -> bool:
        return fnmatchcase((operation or "").lower(), (self.operation or "").lower())

    def _fits_entity(self, one: Lifecycle) -> bool:
        where = " ".join(text.lower() for text in (one.entity, one.lane, one.organization) if text)
        uuids = _UUID.findall(self.entity or "")
        return (uuids[-1] if uuids else self.entity or "").lower() in where


def phases_named(names: Collection[str]) -> list[Phase]:
    """Raises UsageError."""
    known = [phase.value for phase in Phase if phase is not Phase.ENDED]
    for name in names:
        if name not in known:
            raise UsageError(f"--phase takes {', '.join(known)}, not {name!r}", hint="--ended shows what has ended")
    return [Phase(name) for name in names]


def kind_named(name: str | None) -> Kind | None:
    """Raises UsageError."""
    if name is not None and name not in set(Kind):
        raise UsageError(f"--kind takes {', '.join(Kind)}, not {name!r}")
    return Kind(name) if name is not None else None


def span(text: str, option: str) -> timedelta:
    """``90s``, ``15m``, ``2h``, ``1.5d``. Raises UsageError."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{option}: {text!r} is no length of time", hint="give 90s, 15m, 2h or 1d")
    return timedelta(**{_UNITS[found[2]]: float(found[1])})


def moment(text: str, option: str, now: datetime) -> datetime:
    """A time (RFC 3339), or how long ago (``2h``). Raises UsageError."""
    if _SPAN.fullmatch(text.strip()):
        return now - span(text, option)
    from bridge.avro.times import parse_time

    try:
        return parse_time(text)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{option}: {error}", hint="or how long ago: 90s, 15m, 2h, 1d") from None
