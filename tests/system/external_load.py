"""Requests and commands about tickets at a steady pace, on both topics of one group."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.support.external import ExternalSite
from tests.system.load import Load

ENDS = ("success", "success", "error", "aborted")


@dataclass(slots=True)
class _Ticket:
    """A ticket that is open; ``steps`` counts the updates sent, and is what its Task shows."""

    key: str
    steps: int = 0
    again: list[dict[str, Any]] = field(default_factory=list)
    """Its last update, which may be sent twice."""


class MixedLoad(Load):
    """As ``Load``, and as many commands: tickets are created, updated again and again, and finished; some updates are
    sent twice, some finishes come before their create. All are finished at the end."""

    def __init__(self, site: ExternalSite, seed: int) -> None:
        self._external = site
        self._tickets: list[_Ticket] = []
        self.ended: dict[str, str] = {}
        """How each finished ticket has to end."""
        super().__init__(site, seed)

    def finish(self) -> list[str]:
        requests = super().finish()
        while self._tickets:
            self._finish_one(self._tickets[0])
        return requests

    def _send_one(self) -> None:
        super()._send_one()
        draw = self._rng.random()
        if not self._tickets or draw < 0.15:
            self._create(f"CHG-{len(self._tickets) + len(self.ended)}", early=draw < 0.03)
        elif draw < 0.25 and len(self._tickets) > 3:
            self._finish_one(self._rng.choice(self._tickets))
        else:
            self._update(self._rng.choice(self._tickets))

    def _create(self, key: str, *, early: bool) -> None:
        ticket = _Ticket(key)
        self._tickets.append(ticket)
        if early:
            self._finish_one(ticket)
        self._external.command("create", key, operation=f"Change {key}", details="0", correlation_id=key)

    def _update(self, ticket: _Ticket) -> None:
        if ticket.again and self._rng.random() < 0.1:
            self._external.command("update", ticket.key, **ticket.again.pop())
            return
        ticket.steps += 1
        update = {"details": str(ticket.steps), "progress": min(99, ticket.steps), "command_id": str(ticket.steps)}
        ticket.again = [update]
        self._external.command("update", ticket.key, **update)

    def _finish_one(self, ticket: _Ticket) -> None:
        self._tickets.remove(ticket)
        status = self._rng.choice(ENDS)
        self.ended[ticket.key] = status
        self._external.command("finish", ticket.key, status=status, details=f"{ticket.steps} steps")
