"""``vcd-bridge version``."""

from __future__ import annotations

from bridge.cli.console import write, write_json
from bridge.cli.options import JsonOption


def bridge_version() -> str:
    """Version of the installed distribution; ``unknown`` when run from a bare tree."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("vcd-kafka-bridge")
    except PackageNotFoundError:
        return "unknown"


def version(json: JsonOption = False) -> None:
    """Versions of the bridge and its parts."""
    import platform

    from bridge.core.lifecycle import FORMAT_VERSION
    from bridge.kafka.clients import librdkafka_version

    facts = {
        "version": bridge_version(),
        "python": platform.python_version(),
        "librdkafka": librdkafka_version(),
        "store_format": FORMAT_VERSION,
    }
    if json:
        write_json(facts)
        return
    write(f"vcd-bridge {facts['version']}")
    for name, value in list(facts.items())[1:]:
        write(f"{name} {value}")
