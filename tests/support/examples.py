"""The catalogue's examples with ids of the simulator's inventory in place of the reader's own."""

from __future__ import annotations

import json
from typing import Any

from bridge.catalogue.examples import PLACEHOLDER, example_of
from bridge.catalogue.operation import Operation
from bridge.simulator.state.founding.inventory import well_known_uuid
from bridge.simulator.state.kinds import KINDS

SERVER = "https://vcd.example.com"
"""The reader's own VCD in the examples."""

_KINDS = {"vapp": "vApp", "vappTemplate": "vAppTemplate", "templateVm": "vmTemplate", "providerVdc": "providervdc"}
"""Kinds that the catalogue and the simulator call otherwise; all others have one name."""

NOWHERE = "00000000-0000-4000-8000-00000000dead"
"""Stands for kinds that the simulator does not have: templates of vDCs, blocking tasks before there are any."""


def id_in_path(kind: str, number: int = 1) -> str:
    """An id as it stands in a path: acme's, or the provider's, ``number``-th entity of one of the catalogue's kinds."""
    known = KINDS.get(_KINDS.get(kind, kind))
    if known is None:
        return NOWHERE
    return known.prefix + well_known_uuid(known.name, "System" if known.provider_only else "acme", number)


def example_for(operation: Operation, url: str) -> dict[str, Any] | None:
    """The operation's example for the simulator at ``url``; None where there is none."""
    example = example_of(operation)
    if example is None:
        return None
    text = PLACEHOLDER.sub(lambda found: id_in_path(found[1], int(found[2] or 1)), json.dumps(example))
    filled: dict[str, Any] = json.loads(text.replace(SERVER, url))
    return filled
