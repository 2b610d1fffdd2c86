"""What an orchestrator does: a process that ends and asks to be started again is started again."""

from __future__ import annotations

import threading

from bridge.errors import TemporaryError
from tests.support.bridge import BridgeProcess, Site

_LOOK_SECONDS = 0.2


class Supervisor:
    """Watches the processes of a site from a thread, while it is entered. What a fault killed stays dead."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self.restarted: list[BridgeProcess] = []
        """Those that had ended by themselves."""

    def __enter__(self) -> Supervisor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._done.wait(_LOOK_SECONDS):
            for bridge in list(self._site.processes):
                if bridge not in self.restarted and _asks_for_another(bridge):
                    self.restarted.append(bridge)
                    self._site.start(crash_at=None, **dict(bridge.settings))


def _asks_for_another(bridge: BridgeProcess) -> bool:
    """Two SIGTERMs end it with the same exit code, but then somebody wants it gone."""
    return bridge.process.poll() == TemporaryError.exit_code and "bridge.stopped_at_once" not in bridge.told()
