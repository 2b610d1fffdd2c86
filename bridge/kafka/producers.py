"""The producer for the next transaction: the one at hand, or a new one under the same transactional id.

librdkafka has no KIP-890: a late EndTxn of a former transaction can end the next one. So whenever an outcome is in
doubt, or a connection broke, the next one has a new producer: ``init_transactions`` makes late requests void.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping

from confluent_kafka import KafkaError, KafkaException, Producer

from bridge.errors import ConfigurationError, ProcessMustEnd
from bridge.kafka.config import LOG, ClientConfig, KafkaConfig, make
from bridge.kafka.connection import describe, failure
from bridge.kafka.letting_go import let_go

RECOVER_SECONDS = 120.0
"""How long a new producer and the committed offsets are waited for before the process gives up."""

_CONNECTING = ("ApiVersionRequest", "SaslHandshakeRequest", "SaslAuthenticateRequest")
"""What is asked before a connection can carry anything."""


class Producers:
    """One after the other, each with an epoch of its own. ``limits``: topic -> bytes that it takes.

    ``step`` is called before each blocking call with its name. All calls block.
    """

    def __init__(
        self, config: KafkaConfig, transactional_id: str, limits: Mapping[str, int], *, step: Callable[[str], None]
    ) -> None:
        self._config = config
        self._id = transactional_id
        self._settings = self._sized(limits)
        self._timeout = config.transaction_timeout_seconds
        self._step = step
        self._suspect = False
        self._may_be_slow = False
        self._log = BrokenConnections()
        self._current: Producer | None = None

    def open(self) -> None:
        """The first one; aborts whatever this transactional id left open. Raises TemporaryError or
        ConfigurationError."""
        made = self._renew(3 * self._timeout)
        if isinstance(made, KafkaError):
            raise failure("Kafka's transactions cannot be used", made)

    def usable(self) -> Producer:
        """The producer for the next transaction. Raises ProcessMustEnd.

        A request of a broken connection may still be on its way to the broker, and would end that transaction with its
        own outcome. An abort is the worst: what was produced is gone, and offsets sent after it are not.
        """
        producer = self._current
        if producer is None or self._suspect or self._log.broken or (self._may_be_slow and _has_files()):
            return self.replace()
        return producer

    def suspect(self) -> None:
        """Nothing that the present one says can be believed: the next transaction gets another."""
        self._suspect = True

    def resize(self, limits: Mapping[str, int]) -> None:
        """The topics' limits have changed: the next transaction gets a producer made for them."""
        self._settings = self._sized(limits)
        self._suspect = True

    def replace(self) -> Producer:
        """A new producer under the same transactional id: what the old one left open is aborted, what it sent late is
        void. Raises ProcessMustEnd when Kafka does not come back, or the client cannot be made any more."""
        try:
            made = self._renew(RECOVER_SECONDS)
        except ConfigurationError as error:  # the first one took these settings: a file could not be opened now
            raise ProcessMustEnd(f"no transactional producer: {error.message}") from None
        if isinstance(made, KafkaError):
            raise ProcessMustEnd(f"no transactional producer: {describe(made)}")
        return made

    def close(self) -> None:
        producer, self._current = self._current, None
        if producer is not None:
            let_go(producer)

    def _renew(self, seconds: float) -> Producer | KafkaError:
        """A producer ready for transactions, or why there is none."""
        self.close()
        deadline = time.monotonic() + seconds
        self._log = log = BrokenConnections()
        had_files = _has_files()
        producer: Producer = make(
            lambda settings: Producer(settings, logger=log, error_cb=_already_logged), self._settings
        )
        had_files = had_files and _has_files()
        while True:
            self._step("init_transactions")
            try:
                producer.init_transactions(self._timeout)
                producer.poll(0)
            except KafkaException as raised:
                error: KafkaError = raised.args[0]
                if error.fatal() or not error.retriable() or time.monotonic() > deadline:
                    let_go(producer)
                    return error
            else:
                self._current = producer
                self._suspect = log.broken = False  # before it was ready it carried no transaction
                self._may_be_slow = not (had_files and _has_files())
                return producer

    def _sized(self, limits: Mapping[str, int]) -> ClientConfig:
        return self._config.producer(
            self._id, largest_record_bytes=max(limits.values()), batch_bytes=min(1_000_000, *limits.values())
        )


class BrokenConnections:
    """The producer's logger, which alone is told of every connection that breaks: the error callback hears nothing of
    those that the other side closes (rdkafka_broker.c, rd_kafka_broker_conn_closed: logged as information; measured).
    Nor is it told of a request that was not answered in time, whose connection is given up without a line of its own.
    The log says nothing either where metadata move a node elsewhere or away: such a connection is closed in silence.

    The client repeats itself every 30 s at most, so a producer is replaced after the first one.
    """

    def __init__(self) -> None:
        self.broken = False

    def log(self, level: int, text: str, *arguments: object) -> None:
        """As ``logging.Logger.log``; ``arguments`` begin with the line's facility and end with what it says."""
        facility, told = str(arguments[:1]), str(arguments[-1:])
        # One that never came up has carried nothing: that a node is down must not cost each transaction a producer.
        broke = "FAIL" in facility and (" in state UP" in told or " in state " not in told)
        unanswered = "REQTMOUT" in facility and " in flight" in told and not any(one in told for one in _CONNECTING)
        # At debug level idle connections are said to fail, too.
        self.broken = self.broken or (level > logging.DEBUG and (broke or unanswered))
        LOG.log(level, text, *arguments)


def _has_files() -> bool:
    """Whether this process can open a pipe. A client whose broker threads get none to be woken by looks for work once a
    second, for good: no transaction is over in less than two, and no call leaves within its lease (measured on
    librdkafka 2.16.0, which says nothing of it)."""
    try:
        ends = os.pipe()
    except OSError:
        return False
    for end in ends:
        os.close(end)
    return True


def _already_logged(error: KafkaError) -> None:
    """Without a callback the client would log its errors twice."""
