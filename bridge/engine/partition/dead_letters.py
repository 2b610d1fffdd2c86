"""The format of dead letters, to write and to read: a record as received with six headers behind its own, or a stub.

``__connect.errors.*`` are Kafka Connect's names (KIP-298); values are UTF-8 text.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from bridge.core.coordinates import Birth
from bridge.core.requests import Undecodable
from bridge.ports import Delivery, Headers, OutRecord

_ERRORS = "__connect.errors."
_FACTS = tuple(_ERRORS + name for name in ("topic", "partition", "offset", "stage", "class.name", "exception.message"))
_DIGEST = ("vb_value_sha256", "vb_value_bytes")
_LONGEST_MESSAGE = 1000


@dataclass(frozen=True, slots=True)
class Digest:
    """What a stub tells of the value that it stands for."""

    sha256: str
    size_bytes: int

    @classmethod
    def of(cls, value: bytes | None) -> Digest:
        return cls(hashlib.sha256(value or b"").hexdigest(), len(value or b""))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """What a dead letter tells. ``headers``: those of the record as received, nothing of ours; a stub has none.

    ``digest``: of the value that is left out; None: the letter is whole.
    """

    origin: Birth
    error: Undecodable
    headers: Headers
    digest: Digest | None


def whole(topic: str, delivery: Delivery, error: Undecodable) -> OutRecord:
    """The record as received."""
    return OutRecord(topic, None, delivery.key, delivery.value, (*delivery.headers, *_facts(delivery, error)))


def stub(topic: str, delivery: Delivery, error: Undecodable, *, with_key: bool) -> OutRecord:
    """What stands for a record that the topic does not take whole."""
    digest = Digest.of(delivery.value)
    told = zip(_DIGEST, (digest.sha256.encode(), str(digest.size_bytes).encode()), strict=True)
    return OutRecord(topic, None, delivery.key if with_key else None, None, (*_facts(delivery, error), *told))


def read(headers: Headers) -> DeadLetter | None:
    """What the headers of a record on the dead-letter topic tell; None: no bridge has written it.

    Only what stands last is ours: a record that died has whatever headers it likes before that.
    """
    names = tuple(name for name, _ in headers)
    is_stub = names[-len(_DIGEST) :] == _DIGEST
    ours = (*_FACTS, *_DIGEST) if is_stub else _FACTS
    if names[-len(ours) :] != ours:
        return None
    try:
        told = [(value or b"").decode() for _, value in headers[-len(ours) :]]
        topic, partition, offset, stage, error_class, message = told[: len(_FACTS)]
        return DeadLetter(
            origin=Birth(topic, int(partition), int(offset)),
            error=Undecodable(stage=stage, error_class=error_class, message=message),
            headers=headers[: -len(ours)],
            digest=Digest(told[-2], int(told[-1])) if is_stub else None,
        )
    except ValueError:
        return None


def _facts(delivery: Delivery, error: Undecodable) -> Headers:
    values = (
        delivery.partition.topic, str(delivery.partition.partition), str(delivery.offset), error.stage,
        error.error_class, error.message[:_LONGEST_MESSAGE],
    )  # fmt: skip
    return tuple((name, value.encode()) for name, value in zip(_FACTS, values, strict=True))
