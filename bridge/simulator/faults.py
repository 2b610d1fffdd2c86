"""The faults that are set: what goes wrong, for which calls, how often."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bridge.simulator.faultplan import Fault, FaultError, Names, read_fault
from bridge.simulator.protocol.exchange import JsonObject


class Faults:
    """The active faults, in the order in which they were set; the first that takes a call has it.

    Args:
        clock: Seconds; only differences count.
        operations: Names that a fault may give for ``operation``.
    """

    def __init__(self, clock: Callable[[], float], operations: frozenset[str]) -> None:
        self._clock = clock
        self._operations = operations
        self._faults: list[Fault] = []
        self._numbers = 0
        self.cells: tuple[str, ...] = ("cell-1",)

    @property
    def is_empty(self) -> bool:
        return not self._faults

    def add(self, document: Mapping[str, Any]) -> Fault:
        """A fault from its JSON form.

        Raises:
            FaultError: See :func:`read_fault`; or no cell would ever listen again.
        """
        return self.add_all([document])[0]

    def add_all(self, documents: Sequence[Mapping[str, Any]]) -> list[Fault]:
        """All of them or, with a FaultError that names the number of the wrong one, none."""
        now, read = self._clock(), list[Fault]()
        for number, document in enumerate(documents, start=1):
            try:
                read.append(read_fault(document, self._numbers + number, now, Names(self._operations, self.cells)))
            except FaultError as error:
                raise FaultError(f"fault {number}: {error}" if len(documents) > 1 else str(error)) from None
        forever = {one.cell for one in (*self._faults, *read) if one.do == "refuse" and one.ends == float("inf")}
        if forever >= set(self.cells):
            raise FaultError("'for' is needed: with all cells down for good, nobody could ask for one to come back")
        self._numbers += len(read)
        self._faults += read
        return read

    def take(self, operation: str, method: str, path: str, user: str | None, cell: str) -> Fault | None:
        """The fault that meets this call, which is counted."""
        now = self._clock()
        for fault in self._faults:
            if (
                fault.do != "refuse"
                and fault.is_on(now)
                and fault.selects(operation, method, path, user, cell)
                and fault.takes()
            ):
                if fault.is_spent:
                    self._faults = [one for one in self._faults if one is not fault]
                return fault
        return None

    def clear(self, fault_id: int | None = None) -> None:
        self._faults = [] if fault_id is None else [one for one in self._faults if one.id != fault_id]

    def refusing(self) -> tuple[frozenset[str], float | None]:
        """The cells that refuse connections now, and in how many seconds that changes by itself; None: never."""
        now = self._clock()
        outages = [one for one in self._faults if one.do == "refuse" and one.ends > now]
        down = frozenset(one.cell for one in outages if one.cell is not None and one.is_on(now))
        edges = [edge for one in outages for edge in (one.begins, one.ends) if now < edge < float("inf")]
        return down, min(edges) - now if edges else None

    def documents(self) -> list[JsonObject]:
        return [{"id": one.id, "met": one.met, **one.document} for one in self._faults]
