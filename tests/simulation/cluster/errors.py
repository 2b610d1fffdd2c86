"""What the client library says, with its flags, as measured."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException


class Refused(Exception):
    """A broker's answer: no. ``code``: one of KafkaError's."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Unanswered(Exception):
    """No answer came within the client's time."""


def timed_out(what: str) -> KafkaException:
    """May be asked again, and is neither fatal nor an end of the transaction."""
    return KafkaException(KafkaError(KafkaError._TIMED_OUT, what, retriable=True))


def must_abort(code: int, what: str) -> KafkaException:
    return KafkaException(KafkaError(code, what, txn_requires_abort=True))


def fatal(code: int, what: str) -> KafkaException:
    return KafkaException(KafkaError(code, what, fatal=True))


def plain(code: int, what: str) -> KafkaException:
    return KafkaException(KafkaError(code, what))


def conflict(what: str) -> KafkaException:
    """Another call has to be made first."""
    return KafkaException(KafkaError(KafkaError._CONFLICT, what, retriable=True))
