"""What a Task is called: operationName and the operation texts.

Where VCD's own operationName is sourced the simulator uses it. Everywhere else it makes up a name that nobody can
guess from the API or from the catalogue, so that no client can lean on a name that only it believes in.
"""

from __future__ import annotations

import re
import zlib

from bridge.catalogue.operation import Operation
from bridge.simulator.protocol.exchange import JsonObject
from bridge.simulator.state.entities import Entity

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def operation_name(operation: Operation, body: JsonObject) -> str:
    """VCD's operationName, or a made-up one.

    ``vappUndeployPowerOff`` is sourced for powering off only; the other undeploy actions have names that no source
    shows.
    """
    if operation.vcd_operation_name is not None and _is_sourced_case(operation, body):
        return operation.vcd_operation_name
    code = zlib.crc32(f"{operation.method} {operation.path} {operation.name}".encode())
    return f"simulated{code:08x}"


def _is_sourced_case(operation: Operation, body: JsonObject) -> bool:
    if operation.vcd_operation_name != "vappUndeployPowerOff":
        return True
    return body.get("undeployPowerAction") in (None, "powerOff", "default")


def operation_texts(operation: Operation, owner: Entity) -> tuple[str, str]:
    """The text while it goes on and the text after its end; they differ, as VCD's do."""
    phrase = " ".join(word.lower() for word in _WORDS.split(operation.name))
    subject = f"{owner.kind.label} {owner.name}({owner.uuid})"
    return f"Executing {phrase}: {subject}", f"Executed {phrase}: {subject}"
