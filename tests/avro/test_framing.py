"""Values say what they are."""

from __future__ import annotations

import uuid

import pytest

from bridge.avro.framing import (
    FramingError,
    JsonText,
    RegistryAvro,
    SingleObjectAvro,
    guid_text,
    registry_prefix,
    single_object_prefix,
    text_header,
    unframe,
)

AVRO = (("content-type", b"application/avro"),)
JSON = (("content-type", b"application/json; charset=utf-8"),)
GUID = uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")


def test_registry_framing() -> None:
    assert unframe(b"\x00\x00\x00\x01\x02data", ()) == RegistryAvro(258, b"data")
    assert unframe(registry_prefix(258) + b"data", ()) == RegistryAvro(258, b"data")
    assert unframe(b"\x00\xff\xff\xff\xff", ()) == RegistryAvro(0xFFFFFFFF, b"")


def test_single_object_encoding() -> None:
    assert unframe(b"\xc3\x01" + b"12345678" + b"data", ()) == SingleObjectAvro(b"12345678", b"data")
    assert unframe(single_object_prefix(b"12345678"), ()) == SingleObjectAvro(b"12345678", b"")


def test_schema_guid_in_the_header() -> None:
    form = unframe(b"data", (("__value_schema_id", b"\x01" + GUID.bytes),))
    assert form == RegistryAvro(GUID.int, b"data")
    assert guid_text(GUID.int) == str(GUID)
    assert guid_text(7) is None
    assert unframe(b"data", (("__value_schema_id", b"\x00\x00\x00\x00\x07"),)) == RegistryAvro(7, b"data")


def test_framing_wins_over_the_content_type() -> None:
    assert unframe(b"\x00\x00\x00\x00\x07x", JSON) == RegistryAvro(7, b"x")
    assert unframe(b"{}", JSON) == JsonText(b"{}")
    assert unframe(b"{}", ()) == JsonText(b"{}")


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (b"\x00\x01\x02", ()),
        (b"\xc3\x01\x02", ()),
        (b"{}", AVRO),
        (b"{}", (("Content-Type", b"avro/binary"),)),
        (b"{}", (("__value_schema_id", b"\x01short"),)),
        (b"{}", (("__value_schema_id", b""),)),
    ],
)
def test_broken_framing(value: bytes, headers: tuple[tuple[str, bytes], ...]) -> None:
    with pytest.raises(FramingError):
        unframe(value, headers)


def test_the_last_of_two_headers_counts() -> None:
    assert text_header((("a", b"1"), ("a", b"2")), "a") == "2"
    assert text_header((("a", b"1"), ("a", None)), "a") is None
    assert text_header((("a", b"\xff"),), "a") is None
