"""Whether Kafka is heard: from the client's statistics, with the patience that the group's protocol needs."""

from __future__ import annotations

import json

import pytest

from bridge.kafka import hearing
from bridge.kafka.config import KafkaConfig
from bridge.kafka.hearing import Hearing

CLASSIC: dict[str, str] = {}
KIP_848 = {"group.protocol": "consumer"}


def _statistics(*idle_seconds: float) -> str:
    """``rxidle`` of each broker, -1: never heard."""
    brokers = {str(n): {"rxidle": -1 if s < 0 else int(s * 1_000_000)} for n, s in enumerate(idle_seconds)}
    return json.dumps({"brokers": brokers})


class _Monotonic:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Monotonic:
    clock = _Monotonic()
    monkeypatch.setattr(hearing, "time", clock)
    return clock


@pytest.mark.parametrize(("properties", "interval"), [(CLASSIC, 1.0), (KIP_848, 15.0)], ids=["classic", "kip_848"])
def test_a_member_that_hears_its_heartbeats_alone_is_not_silent(
    clock: _Monotonic, properties: dict[str, str], interval: float
) -> None:
    """An idle member without partitions, for ten intervals, looked at ten times in each; the answer takes up to 4 s."""
    config = KafkaConfig(bootstrap_servers="b:9092", group_id="g", session_timeout_seconds=10.0, properties=properties)
    heard = Hearing(config.silence_seconds)
    flaps = []
    for tenth in range(100):
        clock.seconds += interval / 10
        heard.take(_statistics(-1, interval * (tenth % 10) / 10 + 4.0))
        flaps.append(heard.is_silent)
    assert not any(flaps)


@pytest.mark.parametrize(("properties", "within"), [(CLASSIC, 11), (KIP_848, 21)], ids=["classic", "kip_848"])
def test_silence_is_told_and_ends(clock: _Monotonic, properties: dict[str, str], within: int) -> None:
    config = KafkaConfig(bootstrap_servers="b:9092", group_id="g", session_timeout_seconds=10.0, properties=properties)
    heard = Hearing(config.silence_seconds)
    for second in range(within):
        assert not heard.is_silent
        clock.seconds += 1
        heard.take(_statistics(second + 1))
    assert heard.is_silent
    clock.seconds += 1
    heard.take(_statistics(0.1))
    assert not heard.is_silent
