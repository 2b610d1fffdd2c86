"""Where the calls about the estate are."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.simulator.calls.actions import Actions
from bridge.simulator.calls.call import Target
from bridge.simulator.calls.estate.external_networks import ExternalNetworks
from bridge.simulator.calls.estate.lists import Lists
from bridge.simulator.calls.estate.organizations import Organizations
from bridge.simulator.calls.estate.people import People
from bridge.simulator.cloud import Cloud


def routes(cloud: Cloud, actions: Actions) -> Iterator[tuple[str, str, Target]]:
    for calls in (
        Lists(cloud, actions),
        Organizations(cloud, actions),
        People(cloud, actions),
        ExternalNetworks(cloud, actions),
    ):
        yield from calls.routes()
