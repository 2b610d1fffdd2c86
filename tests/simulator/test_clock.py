"""The simulator's clock beside the machine's two."""

from __future__ import annotations

import pytest

from bridge.simulator import clock


class Machine:
    """Its wall clock and its monotonic one, which stands still while the machine sleeps."""

    def __init__(self) -> None:
        self.wall, self.steady = 1_700_000_000.0, 50.0

    def passes(self, seconds: float, *, asleep: float = 0.0, set_by: float = 0.0) -> None:
        self.wall += seconds + asleep + set_by
        self.steady += seconds

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady


def test_it_keeps_up_with_the_wall_clock_and_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine()
    monkeypatch.setattr(clock, "time", machine)
    now = clock.steady_clock()
    began = now()
    assert began == machine.wall
    machine.passes(10, asleep=3600)
    assert now() == machine.wall, "as a real server after its machine has slept"
    machine.passes(5, set_by=-60)
    assert now() == pytest.approx(began + 10 + 3600 + 5), "what it has told stays in the past"
    machine.passes(60)
    assert now() == pytest.approx(machine.wall + 60)
