"""Dead letters written once more to where they came from: new records, with new births."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.cli.console import note
from bridge.cli.dead_letters.finding import Letters
from bridge.cli.dead_letters.letter import Letter
from bridge.errors import BridgeError

if TYPE_CHECKING:
    from bridge.core.coordinates import Birth
    from bridge.kafka.clients import ReadRecord
    from bridge.ports import OutRecord

REPLAY_OF = "vb_replay_of"
"""Header of a replayed record, behind its own: the coordinates of the one that died."""
_BATCH_RECORDS = 500
_BATCH_BYTES = 8_000_000


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one: ``birth`` of the new record, or why there is none."""

    letter: Letter
    birth: Birth | None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """The partitions that each input of the settings has. A letter's headers are not trusted to name another topic."""

    partitions: Mapping[str, int]

    def objection(self, letter: Letter) -> str | None:
        """Why this letter cannot be replayed, as far as it tells by itself."""
        origin = letter.origin
        if origin is None:
            return "no bridge has written it: where it came from is not told"
        if origin.topic not in self.partitions:
            return f"{origin.topic} is no input of these settings"
        if not 0 <= origin.partition < self.partitions[origin.topic]:
            return f"{origin.topic} has no partition {origin.partition} any more"
        return None


@dataclass(slots=True)
class Replay:
    """Writes letters in batches; ``tell`` hears of each, as soon as it is known."""

    letters: Letters
    inputs: Inputs
    tell: Callable[[Replayed], None]
    _batch: list[tuple[Letter, OutRecord]] = field(default_factory=list)
    _bytes: int = 0

    def write(self, chosen: Sequence[Letter]) -> None:
        """Raises ConfigurationError or TemporaryError; what ``tell`` has not heard of then may have been written."""
        possible = {}
        for letter in chosen:
            objection = self.inputs.objection(letter)
            if objection is None:
                possible[letter.at] = letter
            else:
                self.tell(Replayed(letter, None, objection))
        if possible:
            self.letters.records(list(possible.values()), lambda record: self._take(possible[record.at], record))
            self._send()

    def _take(self, letter: Letter, record: ReadRecord) -> None:
        from bridge.ports import OutRecord

        original = self.letters.original(letter, record)
        if original is None or letter.origin is None:
            self.tell(Replayed(letter, None, NOT_HELD))
            return
        origin = letter.origin
        # Its own partition: what is about the same request lies there, however its producer chose.
        headers = (*original.headers, (REPLAY_OF, str(origin).encode()))
        self._batch.append((letter, OutRecord(origin.topic, origin.partition, original.key, original.value, headers)))
        self._bytes += len(original.value or b"")
        if len(self._batch) >= _BATCH_RECORDS or self._bytes >= _BATCH_BYTES:
            self._send()

    def _send(self) -> None:
        from bridge.kafka.clients import send

        batch, self._batch, self._bytes = self._batch, [], 0
        try:
            births = send(self.letters.connection, [record for _, record in batch]) if batch else []
        except BridgeError:
            note(f"of these {len(batch)} some may have been written: {', '.join(str(one.at) for one, _ in batch)}")
            raise
        for (letter, _), birth in zip(batch, births, strict=True):
            self.tell(Replayed(letter, birth))


NOT_HELD = "it is a stub, and its input holds the value no more"
