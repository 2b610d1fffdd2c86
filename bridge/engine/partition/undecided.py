"""Input records of one partition that wait to be decided, in offset order; counted and weighed."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from bridge.ports import Delivery


class Undecided:
    """A queue that knows how many bytes it holds: records may be as large as their topic allows."""

    def __init__(self) -> None:
        self._records: deque[Delivery] = deque()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._records)

    @property
    def first(self) -> Delivery:
        return self._records[0]

    def append(self, delivery: Delivery) -> None:
        self._records.append(delivery)
        self.bytes += delivery.size_bytes

    def pop_first(self) -> None:
        self.bytes -= self._records.popleft().size_bytes

    def put_back(self, deliveries: Sequence[Delivery]) -> None:
        """Records that were taken and not decided after all wait again, before what came later."""
        self._records.extendleft(reversed(deliveries))
        self.bytes += sum(delivery.size_bytes for delivery in deliveries)

    def clear(self) -> None:
        self._records.clear()
        self.bytes = 0
