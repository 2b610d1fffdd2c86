"""People of organizations at work in Cloud Director itself, past the bridge."""

from __future__ import annotations

from typing import Any

from tests.support.bridge import Site
from tests.support.simulator import Simulator
from tests.system.load import Load

SCRIPTS: dict[str, dict[str, Any]] = {
    "deployVApp": {"preset": "success", "seconds": 0.05},
    "powerOnVApp": {"preset": "success", "seconds": 0.8},
    "suspendVApp": {"preset": "error", "seconds": 3.0},
    "rebootVApp": {"preset": "aborted", "seconds": 0.3},
}
"""How what they ask for ends, and when: some of it before anybody looks, some of it after several looks."""
_PATHS = {"deployVApp": "action/deploy"} | {
    f"{action}VApp": f"power/action/{action}" for action in ("powerOn", "suspend", "reboot")
}
_PAUSE_SECONDS = 0.05


class People(Load):
    """About ten Tasks a second, by turns of these users; ``sent`` are the Tasks, as URNs. ``simulator``: where they
    call; None: where the bridges do."""

    def __init__(self, site: Site, *users: str, simulator: Simulator | None = None) -> None:
        simulator = simulator or site.simulator
        for operation, script in SCRIPTS.items():
            simulator.script(script, operation=operation)
        self._clients = {user: simulator.log_in(user) for user in users}
        super().__init__(site, 0)

    def _send_one(self) -> None:
        number = len(self._requests)
        operation = list(_PATHS)[number % len(_PATHS)]
        client = self._clients[self._user(number)]
        path = f"/api/vApp/vapp-00000000-0000-4000-8000-{number:012d}/{_PATHS[operation]}"
        reply = client.post(path, {} if operation == "deployVApp" else None)
        assert reply.status == 202, (reply.status, reply.body)
        task = str(reply.json()["id"])
        self._requests.append(({"request_id": task, "operation": operation}, task))
        self._stop.wait(_PAUSE_SECONDS)

    def _user(self, number: int) -> str:
        """Who asks for the so-manieth Task, from 0."""
        return list(self._clients)[number // len(_PATHS) % len(self._clients)]
