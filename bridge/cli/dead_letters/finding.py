"""Dead letters as they lie on their topic, and the records that they stand for. The bridges go on meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.cli.console import note
from bridge.cli.dead_letters.letter import Filter, Letter
from bridge.cli.options import UsageError
from bridge.core.coordinates import Birth, TopicPartition
from bridge.engine.partition.dead_letters import Digest

if TYPE_CHECKING:
    from bridge.kafka.clients import ReadRecord
    from bridge.kafka.config import KafkaConfig


@dataclass(frozen=True, slots=True)
class Letters:
    """The topic of dead letters. Every call raises ConfigurationError or TemporaryError."""

    connection: KafkaConfig
    topic: str

    def find(self, wanted: Filter) -> list[Letter]:
        """All that fit; of one partition in their order."""
        from bridge.kafka.looking import places_at

        found: list[Letter] = []

        def hand(record: ReadRecord) -> None:
            letter = Letter.of(record)
            if wanted.takes(letter):
                found.append(letter)

        places = places_at(self.connection, self.topic, wanted.since) if wanted.since is not None else None
        self._read(hand, places)
        return found

    def one(self, name: str) -> Letter | None:
        """The only one with these coordinates, its own or those of the record that died. Raises UsageError."""
        from bridge.kafka.looking import record_at

        at = coordinates(name)
        if at.topic == self.topic:
            record = record_at(self.connection, at)
            return Letter.of(record) if record is not None else None
        found = [letter for letter in self.find(Filter(topic=at.topic)) if letter.origin == at]
        if len(found) > 1:
            places = ", ".join(str(letter.at) for letter in found)
            raise UsageError(f"{at} has died {len(found)} times", hint=f"name one dead letter: {places}")
        return found[0] if found else None

    def records(self, letters: Sequence[Letter], hand: Callable[[ReadRecord], None]) -> None:
        """Hand over the records of these letters, with their content. Raises what ``hand`` raises."""
        wanted = {letter.at for letter in letters}
        places: dict[TopicPartition, int] = {}
        ends: dict[TopicPartition, int] = {}
        for at in wanted:
            places[at.topic_partition] = min(at.offset, places.get(at.topic_partition, at.offset))
            ends[at.topic_partition] = max(at.offset + 1, ends.get(at.topic_partition, 0))
        self._read(lambda record: hand(record) if record.at in wanted else None, places, ends)

    def original(self, letter: Letter, record: ReadRecord) -> ReadRecord | None:
        """The record that died, as it was received; None: the letter is a stub, and its input holds the value no more.

        ``record`` is the one that the letter was read from.
        """
        from dataclasses import replace

        from bridge.kafka.looking import record_at

        if letter.digest is None or letter.origin is None:
            return replace(record, headers=letter.headers(record))
        held = record_at(self.connection, letter.origin)
        return held if held is not None and Digest.of(held.value) == letter.digest else None

    def _read(
        self,
        hand: Callable[[ReadRecord], None],
        places: Mapping[TopicPartition, int] | None,
        ends: Mapping[TopicPartition, int] | None = None,
    ) -> None:
        from bridge.kafka.looking import read_topic

        held_up = read_topic(self.connection, self.topic, hand, places=places, ends=ends)
        for partition, offset in held_up.items():
            note(f"{partition}: a transaction is open at offset {offset}, and does not end; nothing behind it is seen")


def coordinates(name: str) -> Birth:
    """``<topic>/<partition>/<offset>``. Raises UsageError."""
    try:
        return Birth.parse(name)
    except ValueError:
        raise UsageError(
            f"{name!r} is not the coordinates of a record", hint="<topic>/<partition>/<offset>, see dead-letters list"
        ) from None
