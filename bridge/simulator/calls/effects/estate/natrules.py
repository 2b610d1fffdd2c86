"""NAT rules of edge gateways and of vApps' networks: VCD gives them their numbers."""

from __future__ import annotations

from typing import Any

from bridge.simulator.calls.effects.values import objects, whole
from bridge.simulator.protocol.exchange import JsonObject

_BEFORE_THE_FIRST = 65536
"""Real servers number from 65537 on (edge gateways that users show in public repositories)."""


def numbered(services: Any) -> list[JsonObject]:
    """Network services of a body; a NAT rule without a number has got the next one."""
    found = objects(services or [])
    for service in found:
        rules = objects(service.get("natRule") or [])
        last = max((whole(one.get("id")) or 0 for one in rules), default=0)
        for rule in rules:
            if whole(rule.get("id")) is None:
                last = rule["id"] = max(last, _BEFORE_THE_FIRST) + 1
    return found
