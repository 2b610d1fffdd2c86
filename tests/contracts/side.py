"""One Kafka for a scenario: the simulated one in virtual time, or the real one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tests.contracts.facade import PATIENCE_SECONDS, Client, Kafka, Lost, Member, Refusal
from tests.contracts.real import RealKafka
from tests.contracts.simulated import SimulatedKafka
from tests.simulation.cluster.adapters import simulated_clients
from tests.simulation.loop import run_virtually
from tests.simulation.threads import to_thread

__all__ = [
    "PATIENCE_SECONDS", "Client", "Kafka", "Lost", "Member", "Refusal", "contract", "contract_of_groups",
    "contract_of_protocols",
]  # fmt: skip


def _play_simulated(scenario: Callable[..., None], **told: Any) -> None:
    """Under some seeds: the answers may not depend on how long anything takes."""

    async def main(seed: int) -> None:
        await to_thread(lambda: scenario(SimulatedKafka(seed), **told))

    for seed in range(10):
        with simulated_clients(Random(seed)):
            run_virtually(main(seed))


def contract(scenario: Callable[[Kafka], None]) -> Callable[..., None]:
    """The scenario as a test against both."""

    @pytest.mark.parametrize("side", ["simulated", "real"])
    def test(side: str, request: pytest.FixtureRequest) -> None:
        if side == "simulated":
            _play_simulated(scenario)
        else:
            with contextlib.closing(RealKafka(request.getfixturevalue("kafka"))) as kafka:
                scenario(kafka)

    test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
    return test


def contract_of_groups(scenario: Callable[[Kafka, str], None]) -> Callable[..., None]:
    """The scenario as a test against both, under both group protocols."""
    return contract_of_protocols("classic", "kip-848")(scenario)


def contract_of_protocols(*protocols: str) -> Callable[[Callable[[Kafka, str], None]], Callable[..., None]]:
    """The same, under these protocols."""

    def decorate(scenario: Callable[[Kafka, str], None]) -> Callable[..., None]:
        @pytest.mark.parametrize("protocol", protocols)
        @pytest.mark.parametrize("side", ["simulated", "real"])
        def test(side: str, protocol: str, request: pytest.FixtureRequest) -> None:
            if side == "simulated":
                _play_simulated(scenario, protocol=protocol)
            else:
                with contextlib.closing(RealKafka(request.getfixturevalue("kafka"))) as kafka:
                    scenario(kafka, protocol)

        test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
        return test

    return decorate
