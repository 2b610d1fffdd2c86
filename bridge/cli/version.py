"""``vcd-bridge version``."""

from __future__ import annotations

from bridge import __version__
from bridge.cli.console import write, write_json
from bridge.cli.options import JsonOption


def version(json: JsonOption = False) -> None:
    """Versions of the bridge and its parts."""
    import platform

    from bridge.core.lifecycle import FORMAT_VERSION
    from bridge.kafka.clients import librdkafka_version

    facts = {
        "version": __version__,
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
