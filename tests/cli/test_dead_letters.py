"""``dead-letters`` on a real Kafka: what is listed, what is shown of it, and what is written once more."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from confluent_kafka import Message, Producer

from bridge.cli.dead_letters import replaying
from bridge.core.coordinates import Birth, TopicPartition
from bridge.core.requests import Undecodable
from bridge.engine.partition import dead_letters
from bridge.errors import TemporaryError
from bridge.kafka import clients, looking
from bridge.kafka.messages import headers_of
from bridge.ports import Delivery, Headers, OutRecord
from tests.cli.conftest import Shell
from tests.support.kafka import KafkaNode, create_topics, delete_records, read, unique

KEY, VALUE = b"s3cret-key", b'\x00{"password": "s3cret"'
HEADERS: Headers = (("trace", b"s3cret-too"), ("trace", None), ("raw", b"\xff"))
REASONS = {
    "gone": "NotJson", "whole": "NotJson", "null": "EmptyValue", "stub": "UnknownSchema", "other": "UnknownSchema",
    "elsewhere": "SchemaUnavailable",
}  # fmt: skip
"""What died, by a name of the test's own, and why."""


@dataclass(slots=True)
class Place:
    """An input of two partitions with records that died, their letters, and a letter that no bridge has written.

    ``origins`` and ``letters``: coordinates by name.
    """

    bootstrap: str
    inputs: str
    dead: str
    origins: dict[str, str] = field(default_factory=dict)
    letters: dict[str, str] = field(default_factory=dict)

    def write(self, records: Mapping[str, OutRecord]) -> dict[str, str]:
        """Coordinates of each."""
        written: dict[str, str] = {}

        def noted(name: str) -> Callable[[object, Message], None]:
            return lambda _, message: written.update({name: _coordinates(message)})

        producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 0})
        for name, record in records.items():
            producer.produce(
                record.topic, record.value, record.key, record.partition or 0, headers=list(record.headers),
                on_delivery=noted(name),
            )  # fmt: skip
        assert producer.flush(20) == 0
        return written

    def written_at(self, birth: str) -> tuple[bytes | None, bytes | None, Headers]:
        """Key, value and headers of a record of the input."""
        (one,) = (message for message in read(self.bootstrap, self.inputs) if _coordinates(message) == birth)
        return one.key(), one.value(), headers_of(one)


def _coordinates(message: Message) -> str:
    return f"{message.topic()}/{message.partition()}/{message.offset()}"


def letter_of(place: Place, name: str, origin: str) -> OutRecord:
    """As a bridge would have written it."""
    topic, partition, offset = origin.rsplit("/", 2)
    delivery = Delivery(
        partition=TopicPartition(topic, int(partition)), epoch=0, offset=int(offset), key=KEY,
        value=None if name == "null" else VALUE, headers=HEADERS, timestamp_ms=0,
    )  # fmt: skip
    error = Undecodable(stage="VALUE_CONVERTER", error_class=REASONS[name], message=f"told of {name}")
    if name in {"gone", "stub", "other"}:
        return dead_letters.stub(place.dead, delivery, error, with_key=False)
    return dead_letters.whole(place.dead, delivery, error)


@pytest.fixture(scope="module")
def place(kafka: KafkaNode) -> Place:
    group = unique("died")
    place = Place(kafka.bootstrap, f"{group}.requests", f"{group}.dead")
    create_topics(kafka.bootstrap, {place.inputs: 2, place.dead: 2})
    values = dict.fromkeys(REASONS, VALUE) | {"null": None, "other": b"what lies there since the topic was made anew"}
    place.origins = place.write({
        name: OutRecord(place.inputs, 0 if name == "gone" else 1, KEY, value, HEADERS) for name, value in values.items()
    })  # fmt: skip
    delete_records(kafka.bootstrap, place.inputs, 0, before=1)
    place.origins["elsewhere"] = "elsewhere/0/0"
    letters = {name: letter_of(place, name, origin) for name, origin in place.origins.items()}
    letters["foreign"] = OutRecord(place.dead, None, None, b"v")
    letters["nowhere"] = letter_of(place, "elsewhere", f"{place.inputs}/7/0")
    letters["adrift"] = letter_of(place, "stub", f"{place.inputs}/-1/0")
    place.letters = place.write(letters)
    return place


@pytest.fixture
def here(shell: Shell, place: Place) -> Shell:
    shell.set(
        kafka__bootstrap_servers=place.bootstrap, topics__action_requests=place.inputs, topics__dead_letters=place.dead
    )
    return shell


# --- looking ----------------------------------------------------------------------------------------------------------


def test_what_died_is_listed_with_its_reason_and_without_its_content(here: Shell, place: Place) -> None:
    listed = {one["dead_letter"]: one for one in here.lines("dead-letters", "list")}
    assert set(listed) == set(place.letters.values())
    one = listed[place.letters["whole"]]
    assert (one["origin"], one["topic"]) == (place.origins["whole"], place.inputs)
    assert (one["reason"], one["message"], one["stub"]) == ("NotJson", "told of whole", False)
    assert listed[place.letters["stub"]]["stub"]
    sizes = {name: listed[at]["value_bytes"] for name, at in place.letters.items()}
    assert (sizes["whole"], sizes["stub"], sizes["null"], sizes["foreign"]) == (len(VALUE), len(VALUE), None, 1)
    assert listed[place.letters["foreign"]]["origin"] is None
    table = here.run("dead-letters", "list", "--limit", "2")
    assert len(table.splitlines()) == 4
    assert here.err.startswith(f"{len(listed)} dead letters: 3 UnknownSchema, 2 ")
    assert "the newest 2 are shown" in here.err
    assert "s3cret" not in table + json.dumps(list(listed.values()))


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ("--reason unknown*", {"stub", "other", "adrift"}),
        ("--topic elsewhere", {"elsewhere"}),
        ("--since 1h --reason *", {*REASONS, "foreign", "nowhere", "adrift"}),
        ("--until 1h", set()),
    ],
)
def test_filters(here: Shell, place: Place, options: str, names: set[str]) -> None:
    listed = here.lines("dead-letters", "list", *options.split())
    assert {one["dead_letter"] for one in listed} == {place.letters[name] for name in names}


def test_one_is_shown_by_its_own_coordinates_or_its_records(here: Shell, place: Place) -> None:
    at, origin = place.letters["whole"], place.origins["whole"]
    shown = here.json("dead-letters", "show", at)
    assert (shown["replayable"], shown["held"], shown["key_bytes"]) == (True, True, len(KEY))
    assert [one["name"] for one in shown["headers"]] == ["trace", "trace", "raw"]
    text = here.run("dead-letters", "show", origin)
    assert f"vcd-bridge dead-letters replay {at}" in text
    assert "s3cret" not in text + json.dumps(shown)


def test_content_is_shown_when_it_is_asked_for(here: Shell, place: Place) -> None:
    shown = here.json("dead-letters", "show", place.letters["whole"], "--content")
    assert (shown["key"], shown["value"]) == ({"text": KEY.decode()}, {"text": VALUE.decode()})
    assert [one["value"] for one in shown["headers"]] == [{"text": "s3cret-too"}, None, {"base64": "/w=="}]
    assert "\\x00{" in here.run("dead-letters", "show", place.letters["whole"], "--content"), "no terminal obeys it"


def test_what_is_not_there_is_not_shown(here: Shell, place: Place) -> None:
    for nowhere in (f"{place.dead}/0/99", f"{place.inputs}/0/99"):
        here.run("dead-letters", "show", nowhere, code=1)
        assert "holds no dead letter" in here.err
    assert "not the coordinates" in here.error("dead-letters", "show", "17", code=2)["message"]


def test_what_an_open_transaction_hides_is_told(
    shell: Shell, kafka: KafkaNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "OPEN_SECONDS", 0.2)
    dead = unique("died")
    shell.set(kafka__bootstrap_servers=kafka.bootstrap, topics__dead_letters=dead)
    create_topics(kafka.bootstrap, {dead: 1})
    owner = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": unique("owner"), "linger.ms": 0})
    owner.init_transactions(20)
    owner.begin_transaction()
    owner.produce(dead, b"v", partition=0)
    assert owner.flush(20) == 0
    assert shell.lines("dead-letters", "list") == []
    assert f"{dead}/0: a transaction is open at offset 0" in shell.err
    owner.abort_transaction(20)
    assert shell.lines("dead-letters", "list") == []
    assert shell.err == ""


# --- once more --------------------------------------------------------------------------------------------------------


def _by_name(place: Place, told: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    names = {at: name for name, at in place.letters.items()}
    return {names[one["dead_letter"]]: one for one in told}


def test_a_replayed_record_is_the_one_that_died_with_a_mark(here: Shell, place: Place) -> None:
    """Whole or held by its input; with its own partition; and no other topic is written for what a letter says."""
    told = _by_name(place, here.lines("dead-letters", "replay", *place.letters.values(), "--yes", code=1))
    assert set(told) == set(place.letters)
    for name, value in (("whole", VALUE), ("null", None), ("stub", VALUE)):
        origin = place.origins[name]
        assert (told[name]["origin"], told[name]["refusal"]) == (origin, None)
        assert told[name]["birth"].rpartition("/")[0] == origin.rpartition("/")[0], "where its relatives are"
        mark = ("vb_replay_of", origin.encode())
        assert place.written_at(told[name]["birth"]) == (KEY, value, (*HEADERS, mark))
    assert {name: one["refusal"] for name, one in told.items() if one["birth"] is None} == {
        "gone": "it is a stub, and its input holds the value no more",
        "other": "it is a stub, and its input holds the value no more",
        "elsewhere": "elsewhere is no input of these settings",
        "nowhere": f"{place.inputs} has no partition 7 any more",
        "adrift": f"{place.inputs} has no partition -1 any more",
        "foreign": "no bridge has written it: where it came from is not told",
    }


def test_a_stub_tells_whether_it_can_be_replayed(here: Shell, place: Place) -> None:
    assert here.json("dead-letters", "show", place.letters["stub"])["replayable"]
    shown = here.json("dead-letters", "show", place.letters["gone"], "--content")
    assert (shown["held"], shown["value"], shown["value_bytes"]) == (False, None, len(VALUE))
    assert "the input holds it no more" in here.run("dead-letters", "show", place.letters["gone"])
    assert "no replay: " in here.run("dead-letters", "show", place.letters["adrift"])


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_person_is_asked_before_all_that_fit_are_replayed(
    here: Shell, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = ("dead-letters", "replay", "--reason", "Empty*")
    before = len(read(place.bootstrap, place.inputs))
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert "--yes" in here.error(*wanted, code=2)["hint"]
    for answer in ("n\n", ""):
        monkeypatch.setattr(sys, "stdin", _Terminal(answer))
        here.run(*wanted, code=1)
        assert f"1 dead letter; to be written once more: 1 to {place.inputs}. Go on? [y/N]" in here.err
    assert len(read(place.bootstrap, place.inputs)) == before
    monkeypatch.setattr(sys, "stdin", _Terminal("y\n"))
    assert here.run(*wanted).startswith(f"{place.origins['null']} again at {place.inputs}/1/")
    assert len(read(place.bootstrap, place.inputs)) == before + 1
    here.run("dead-letters", "replay", "--reason", "Unheard", "--yes", code=1)


def test_what_may_have_been_written_when_kafka_fails_is_told(
    here: Shell, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a batch before it has written is told as ever."""
    sent: list[OutRecord] = []

    def fails_later(_: object, records: Sequence[OutRecord]) -> list[Birth]:
        if sent:
            raise TemporaryError("the record was not written")
        sent.extend(records)
        return [Birth(place.inputs, 1, 17)]

    monkeypatch.setattr(replaying, "_BATCH_RECORDS", 1)
    monkeypatch.setattr(clients, "send", fails_later)
    out = here.run("dead-letters", "replay", place.letters["whole"], place.letters["null"], "--yes", code=75)
    (written,) = out.splitlines()
    name = "whole" if written.startswith(place.origins["whole"]) else "null"
    other = {"whole": "null", "null": "whole"}[name]
    assert written == f"{place.origins[name]} again at {place.inputs}/1/17"
    assert f"of these 1 some may have been written: {place.letters[other]}" in here.err


def test_what_is_to_be_replayed_has_to_be_said(here: Shell, place: Place) -> None:
    for given in ((), (place.letters["whole"], "--since", "1h")):
        assert "one of the two" in here.error("dead-letters", "replay", *given, "--yes", code=2)["message"]


def test_a_record_that_died_twice_is_named_by_its_dead_letter(here: Shell, place: Place) -> None:
    place.write({"twice": letter_of(place, "null", place.origins["null"])})
    error = here.error("dead-letters", "show", place.origins["null"], code=2)
    assert "has died 2 times" in error["message"]
    assert place.letters["null"] in error["hint"]
