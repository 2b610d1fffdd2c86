"""Where the calls about the estate are."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.simulator.calls.actions import Actions, operation_target
from bridge.simulator.calls.beyond import operation
from bridge.simulator.calls.call import Target
from bridge.simulator.calls.estate.cloudapi import CloudApi
from bridge.simulator.calls.estate.cloudroles import CloudRoles
from bridge.simulator.calls.estate.external_networks import ExternalNetworks
from bridge.simulator.calls.estate.hardwareversions import HardwareVersions
from bridge.simulator.calls.estate.lists import Lists
from bridge.simulator.calls.estate.organizations import Organizations
from bridge.simulator.calls.estate.people import People
from bridge.simulator.calls.estate.provider_vdcs import ProviderVdcs
from bridge.simulator.cloud import Cloud


def routes(cloud: Cloud, actions: Actions) -> Iterator[tuple[str, str, Target]]:
    for calls in (Lists, Organizations, People, ExternalNetworks, HardwareVersions):
        yield from calls(cloud, actions).routes()
    for other in (ProviderVdcs, CloudApi, CloudRoles):
        yield from other(cloud).routes()
    for verb in ("enable", "disable"):
        path = f"/admin/extension/host/{{id}}/action/{verb}"
        yield "POST", f"/api{path}", operation_target(operation(f"{verb}Host", "POST", path), actions)
