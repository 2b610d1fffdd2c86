"""No kind of fault that the simulator has, and no recovery class that the catalogue has, is left out."""

from __future__ import annotations

from bridge.catalogue.load import load
from bridge.simulator.faultplan import WAYS
from bridge.simulator.presets import PRESETS
from tests.campaign.classes import SAMPLES, classes
from tests.campaign.fault import faults
from tests.campaign.faults.vcd import wire_faults


def test_every_recovery_class_and_answer_shape_has_a_sample() -> None:
    assert set(SAMPLES) == set(classes())
    assert {name: (load()[name].recovery, load()[name].answer) for name in SAMPLES.values()} == {
        name: shape for shape, name in SAMPLES.items()
    }


def test_every_kind_of_the_fault_plan_has_a_line() -> None:
    told = list(wire_faults())
    assert {one.fields["do"] for one in told if "do" in one.fields} == set(WAYS) - {"refuse"}
    assert {one.fields["preset"] for one in told if "preset" in one.fields} == set(PRESETS)
    lines = {one.name for one in faults()}
    assert {f"vcd_{one.name}" for one in told} <= lines
    assert "vcd_cell_down" in lines, "which is where a cell refuses"
