"""Which of pyvcloud's methods the tests call: counted when ``make fidelity`` asks for it, by a wrapper round each."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fidelity.pyvcloud import quiet

CLASSES = {
    "client": ("Client", "_TaskMonitor"), "org": ("Org",), "vdc": ("VDC",), "vapp": ("VApp",), "vm": ("VM",),
    "task": ("Task",), "acl": ("Acl",), "metadata": ("Metadata",), "system": ("System",), "role": ("Role",),
    "platform": ("Platform",), "extension": ("Extension",), "external_network": ("ExternalNetwork",), "pvdc": ("PVDC",),
    "vdc_network": ("VdcNetwork",), "gateway": ("Gateway",), "vapp_dhcp": ("VappDhcp",),
    "vapp_firewall": ("VappFirewall",), "vapp_nat": ("VappNat",), "vapp_static_route": ("VappStaticRoute",),
}  # fmt: skip
"""Module of pyvcloud -> classes whose public methods count."""

OUTSIDE = {
    "firewall_rule, nat_rule, dhcp_*, ipsec_vpn, certificate, crl, static_route": (
        "the API of NSX-V edges behind VCD (/network/edges), no part of VCD's own"
    ),
    "amqp, api_extension, api_helper, nsxt_extension": "extension services and their settings: no Tasks of theirs",
    "vcd_client, test": "pyvcloud's own test bench",
}
"""Modules that are left out, with the reason."""


def public_methods() -> dict[str, list[str]]:
    """Class -> its public methods, in the order of the source."""
    found = {}
    for module, names in CLASSES.items():
        for name in names:
            kind = getattr(quiet.module(module), name)
            found[name] = [one for one, value in vars(kind).items() if inspect.isfunction(value) and one[0] != "_"]
    return found


def watch(called: set[tuple[str, str]]) -> None:
    """From now on each call of a public method is noted; the methods do what they did."""
    for module, names in CLASSES.items():
        for name in names:
            kind = getattr(quiet.module(module), name)
            for method in public_methods()[name]:
                setattr(kind, method, _noting(vars(kind)[method], called, (name, method)))


def _noting(function: Callable[..., Any], called: set[tuple[str, str]], mark: tuple[str, str]) -> Callable[..., Any]:
    @functools.wraps(function)
    def noting(*arguments: Any, **words: Any) -> Any:
        called.add(mark)
        return function(*arguments, **words)

    return noting


def write(called: set[tuple[str, str]], path: Path) -> None:
    """Class -> methods that were called, as JSON."""
    found = {name: [one for one in methods if (name, one) in called] for name, methods in public_methods().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
