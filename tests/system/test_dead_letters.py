"""Dead letters: the record as it was received, and why; a stub where the topic does not take it whole."""

from __future__ import annotations

import hashlib
from pathlib import Path

from confluent_kafka import Message

from bridge.kafka.messages import headers_of
from bridge.ports import Headers
from tests.support.bridge import Site, running_site
from tests.support.kafka import KafkaNode, read, set_topic

SENT_HEADERS: Headers = (("content-type", b"application/json"), ("twice", b"1"), ("twice", b"\xff\x00"), ("none", None))
NULL = "the value is null: an action request cannot be deleted; send kind cancel"


def error_headers(site: Site, offset: int, error_class: str, message: str) -> Headers:
    told = {
        "topic": site.requests, "partition": "0", "offset": str(offset), "stage": "VALUE_CONVERTER",
        "class.name": error_class, "exception.message": message,
    }  # fmt: skip
    return tuple((f"__connect.errors.{name}", text.encode()) for name, text in told.items())


def dead_letters(site: Site, count: int) -> list[Message]:
    site.wait_events(lambda _: len(read(site.bootstrap, site.dead_letters)) == count)
    return read(site.bootstrap, site.dead_letters)


def test_a_dead_letter_is_the_record_as_received_and_six_headers(kafka: KafkaNode, tmp_path: Path) -> None:
    with running_site(kafka.bootstrap, tmp_path, partitions=1) as site:
        site.start().wait_ready()
        site.send(b"[1, 2]", key=b"k\xff", headers=SENT_HEADERS)
        site.send(None, key=b"k\xff", headers=SENT_HEADERS)
        site.send(b"[3]", key=b"")
        whole, null, bare = dead_letters(site, 3)
        not_an_object = ("NotAnObject", "the value is JSON, but not an object")
        assert (whole.key(), whole.value()) == (b"k\xff", b"[1, 2]")
        assert headers_of(whole) == SENT_HEADERS + error_headers(site, 0, *not_an_object)
        assert (null.key(), null.value()) == (b"k\xff", None), "a null value stays null"
        assert headers_of(null) == SENT_HEADERS + error_headers(site, 1, "EmptyValue", NULL)
        assert (bare.key(), bare.value()) == (b"", b"[3]")
        assert headers_of(bare) == error_headers(site, 2, *not_an_object)
        site.check()


def test_one_that_does_not_fit_leaves_a_stub_that_tells_which_it_was(kafka: KafkaNode, tmp_path: Path) -> None:
    with running_site(kafka.bootstrap, tmp_path, partitions=1) as site:
        set_topic(kafka.bootstrap, site.dead_letters, "max.message.bytes", "4000")
        site.start().wait_ready()
        value = b"x" * 5000
        site.send(value, key=b"k", headers=SENT_HEADERS)
        site.send(b"rubbish", key=b"k" * 3400, headers=SENT_HEADERS)
        large, long_key = dead_letters(site, 2)
        not_json = ("NotJson", "the value has no Avro framing and is not JSON: ")
        for letter, offset, sent in ((large, 0, value), (long_key, 1, b"rubbish")):
            told = dict(headers_of(letter))
            assert letter.value() is None
            assert (told.pop("vb_value_sha256"), told.pop("vb_value_bytes")) == (
                hashlib.sha256(sent).hexdigest().encode(),
                str(len(sent)).encode(),
            )
            message = (told["__connect.errors.exception.message"] or b"").decode()
            assert message.startswith(not_json[1])
            assert told == dict(error_headers(site, offset, not_json[0], message))
        assert large.key() == b"k"
        assert long_key.key() is None, "a key that takes up the room goes, too"
        site.check()
