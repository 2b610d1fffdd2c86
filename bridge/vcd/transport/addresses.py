"""The addresses of one VCD: which to dial first, and which to leave alone for a while."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from bridge.ports import Clock
from bridge.vcd.config import EventLog
from bridge.vcd.transport.classifier import Verdict
from bridge.vcd.transport.transports import Reply

FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 1.0, 30.0
"""How long an address that failed is left alone: twice as long after each further failure."""

CELLS_OWN = frozenset({502, 503, 504})
"""Statuses that speak of the cell that was asked, or of what stands before it; another cell may do better."""

_UNWELL = Verdict(never_sent=False, code="not_ready", message="answers, and is not ready")


@dataclass(slots=True)
class _Address:
    base: str
    rest: float = 0.0
    """Seconds; 0: it is well."""
    until: float = 0.0
    failed_at: float = float("-inf")
    answered_at: float = float("-inf")


def may_be_cells_own(reply: Reply) -> bool:
    """Whether an answer to a read may tell of the cell and not of what was read. It does where another has an answer.

    An error of the server, a redirect, a page for people in place of a document; also a session that it does not know:
    a cell whose clock is wrong, or that is cut off from the others, takes none, not even its own.
    """
    if reply.status >= 500 or 300 <= reply.status < 400 or reply.status == 401:
        return True
    page = reply.headers.get("content-type", "").casefold().startswith("text/html")
    return page and b"<html" in reply.body[:1000].lower()


class Addresses:
    """Cells of one VCD in the order of the settings; the first that is well gets everything.

    With one address nothing here has an effect: there is no other to go to.
    """

    def __init__(self, bases: Sequence[str], clock: Clock, log: EventLog | None = None) -> None:
        """``bases``: each ``https://host[:port]``."""
        self._addresses = [_Address(base) for base in dict.fromkeys(bases)]
        self._clock = clock
        self._log = log

    @property
    def any_well(self) -> bool:
        """Whether there is one of several that has not failed since it last answered."""
        return len(self._addresses) > 1 and any(one.rest == 0.0 for one in self._addresses)

    def order(self, *, probing: bool) -> list[str]:
        """The addresses to try, one after the other; never empty. With none well it is one: nobody waits for all.

        Args:
            probing: An address whose rest is over is tried first, by one request at a time; otherwise those that are
                not well come last.
        """
        if len(self._addresses) == 1:
            return [self._addresses[0].base]
        now = self._clock.monotonic()
        well = [one for one in self._addresses if one.rest == 0.0]
        unwell = sorted((one for one in self._addresses if one.rest > 0.0), key=lambda one: one.until)
        if not well:
            return [unwell[0].base]
        if probing and unwell and unwell[0].until <= now:
            rested = unwell.pop(0)
            rested.until = now + rested.rest  # whoever comes next does not wait for it as well
            return [one.base for one in (rested, *well, *unwell)]
        return [one.base for one in (*well, *unwell)]

    @contextmanager
    def compared(self) -> Iterator[Compared]:
        """For the answers of several addresses to one request. What is left in doubt counts as answered: the others had
        nothing better to say."""
        answers = Compared(self)
        try:
            yield answers
        finally:
            for base, began, status in answers.doubtful:
                self.answered(base, began, status)

    def answered(self, base: str, began: float, status: int) -> None:
        """An exchange that began then (monotonic seconds) was answered."""
        if len(self._addresses) == 1:
            return
        if status in CELLS_OWN:
            self.failed(base, began, _UNWELL)
            return
        address = self._find(base)
        address.answered_at = self._clock.monotonic()
        if address.rest > 0.0:
            address.rest = 0.0
            if self._log is not None:
                self._log.info("vcd.address_answers", address=base)

    def failed(self, base: str, began: float, verdict: Verdict) -> None:
        """An exchange that began then was not.

        It counts once for all exchanges that were under way, and not at all if others have been answered since.
        """
        if len(self._addresses) == 1:
            return
        address = self._find(base)
        if began < max(address.failed_at, address.answered_at):
            return
        was_well = address.rest == 0.0
        now = self._clock.monotonic()
        address.rest = FIRST_REST_SECONDS if was_well else min(2.0 * address.rest, LONGEST_REST_SECONDS)
        address.failed_at, address.until = now, now + address.rest
        if was_well and self._log is not None:
            self._log.warning("vcd.address_failed", address=base, code=verdict.code, reason=verdict.message)

    def _find(self, base: str) -> _Address:
        return next(one for one in self._addresses if one.base == base)


@dataclass(slots=True)
class Compared:
    """``doubtful``: answers that may be their cell's own trouble: address, when its exchange began, status."""

    addresses: Addresses
    doubtful: list[tuple[str, float, int]] = field(default_factory=list)

    def answered(self, base: str, began: float, status: int, *, doubtful: bool) -> None:
        """The next answer. One that is not in doubt shows that those in doubt were their cells' own trouble."""
        if doubtful:
            self.doubtful.append((base, began, status))
            return
        for other, its_beginning, _ in self.doubtful:
            self.addresses.failed(other, its_beginning, _UNWELL)
        self.doubtful.clear()
        self.addresses.answered(base, began, status)
