"""Requests from options and from lines."""

from __future__ import annotations

import uuid

import pytest

from bridge.cli.composing import NotComposable, compose, compose_lines, entity_key, pairs, parse_object

VM = "5a1b2c3d-0000-4000-8000-00000000000A"


def test_a_request_gets_a_fresh_id_and_the_entitys_key() -> None:
    composed = compose({"operation": "deployVApp", "parameters": {"id": f"vapp-{VM}"}, "organization": None})
    assert composed.key == VM.lower()
    assert uuid.UUID(composed.document["request_id"]).version == 4
    assert "organization" not in composed.document


@pytest.mark.parametrize(
    "spelling", [VM, f"vm-{VM}", f"urn:vcloud:vm:{VM.lower()}", f"https://vcd.example.com/api/vApp/vm-{VM}"]
)
def test_every_spelling_of_an_entity_has_one_key(spelling: str) -> None:
    assert entity_key(spelling) == VM.lower()
    assert compose({"parameters.id": spelling}).key == VM.lower()


def test_without_an_entity_the_request_is_the_key_and_a_given_key_wins() -> None:
    assert compose({"operation": "createVdc", "request_id": "r-1"}).key == "r-1"
    assert compose({"operation": "createVdc", "request_id": "r-1"}, "k").key == "k"


def test_a_cancel_needs_no_id_of_its_own_and_goes_with_its_target() -> None:
    composed = compose({"kind": "cancel", "target_request_id": "r-1"})
    assert (composed.key, composed.key_is_guess) == ("r-1", True)
    assert "request_id" not in composed.document
    assert not compose({"kind": "cancel", "target_request_id": "r-1"}, "r-1").key_is_guess


def test_lines_are_requests_and_may_name_their_key() -> None:
    first, second = compose_lines(['{"request_id": "a", "key": "k"}\n', "\n", '{"request_id": "b"}'], "f")
    assert (first.key, first.document) == ("k", {"request_id": "a"})
    assert second.key == "b"


@pytest.mark.parametrize("line", ["{", "[]", '{"key": 1}'])
def test_a_bad_line_is_named(line: str) -> None:
    with pytest.raises(NotComposable, match=r"requests\.jsonl, line 2"):
        list(compose_lines(['{"request_id": "a"}', line], "requests.jsonl"))


def test_pairs_are_checked() -> None:
    assert pairs(["a=b=c", "d="], "--param") == {"a": "b=c", "d": ""}
    for wrong in (["a"], ["=b"], ["a=1", "a=2"]):
        with pytest.raises(NotComposable, match="--param"):
            pairs(wrong, "--param")


def test_a_body_must_be_an_object() -> None:
    with pytest.raises(NotComposable, match="--body: must be a JSON object"):
        parse_object("[1]", "--body")
