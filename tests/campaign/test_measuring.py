"""A line's figures, from made evidence: what stood still, when it went on, what was lost, who called first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.campaign import lines
from tests.campaign.fault import PARTS, Fault, Verdict, faults, named
from tests.campaign.measuring import Measured, Progress, Told, first_calls, measured
from tests.campaign.stage import Stage
from tests.support.checker import Harm, Violation
from tests.support.checker.evidence import Evidence, InputRecord, LedgerCall, StateWrite, story_id
from tests.support.kafka import KafkaCluster
from tools import describe_faults
from tools.write_documents import rewritten

T = "t/0"


def told(birth: str, *moments: float) -> list[Told]:
    """A story with events at these times, over with the last."""
    return [Told(birth, at, over=at == moments[-1]) for at in moments]


def test_a_stall_is_silence_while_there_is_work() -> None:
    asked = {f"{T}/0": 10.0, f"{T}/1": 11.0, f"{T}/2": 100.0}
    stories = [*told(f"{T}/0", 10.5, 12.0), *told(f"{T}/1", 15.0), *told(f"{T}/2", 101.0)]
    assert Progress(asked, stories).longest_stall() == 3.0, "from 12 to 15; from 15 to 100 there was no work"


def test_a_stall_is_a_partitions_own() -> None:
    busy = {f"t/1/{number}": float(number) for number in range(20)}
    stories = [one for birth, at in busy.items() for one in told(birth, at + 0.5)]
    progress = Progress({**busy, f"{T}/0": 2.0}, [*stories, *told(f"{T}/0", 9.0)])
    assert progress.longest_stall() == 7.0


def test_what_nothing_was_told_of_is_no_work() -> None:
    """Repeats are silent. What is lost is counted by the checker."""
    progress = Progress({f"{T}/0": 0.0, f"{T}/1": 1.0}, told(f"{T}/0", 1.0, 2.0))
    assert progress.longest_stall() == 1.0
    assert progress.open_at(1.5) == {f"{T}/0"}


def test_recovered_is_when_the_slowest_partition_that_had_work_goes_on() -> None:
    asked = {f"{T}/0": 1.0, "t/1/0": 1.0, "t/2/0": 6.0}
    stories = [*told(f"{T}/0", 2.0, 5.2, 7.0), *told("t/1/0", 9.0), *told("t/2/0", 30.0)]
    progress = Progress(asked, stories)
    assert progress.recovered_after(5.0) == 4.0, "what came later is not what was struck"
    assert progress.recovered_after(40.0) is None, "nothing was open"


def test_a_partition_that_is_silent_for_good_has_not_recovered() -> None:
    progress = Progress({f"{T}/0": 1.0, "t/1/0": 1.0}, [Told(f"{T}/0", 2.0, over=False), *told("t/1/0", 6.0)])
    assert progress.recovered_after(5.0) is None


def test_harms_are_counted_by_kind_and_sites_are_added() -> None:
    progress = Progress({f"{T}/0": 1.0}, told(f"{T}/0", 2.0))
    found = [Violation(Harm.LOST, "I1 a"), Violation(Harm.LOST, "I1 b"), Violation(Harm.GAP, "I4 c")]
    first, second = measured(7, progress, found, [1.5]), measured(3, progress, [], [1.2])
    both = first + second
    assert both.requests == 10
    assert (both.harms[Harm.LOST], both.harms[Harm.GAP], both.harms[Harm.DOUBLED]) == (2, 1, 0)
    assert both.recovered == pytest.approx(0.8)


def test_the_next_owners_first_call_is_not_the_dead_ones_last() -> None:
    """Whose a call is tells the intent it follows."""
    evidence = Evidence(
        inputs=[InputRecord("t", 0, offset, {"request_id": f"r{offset}"}) for offset in (0, 1)],
        ledger=[
            LedgerCall(number=n, at=at, call_id=f"{story_id(f'{T}/{n}')}-1", operation="x", status=202, effect=True)
            for n, at in ((0, 10.1), (1, 16.5))
        ],
        events=[], dead_letters=[],
        writes=[
            StateWrite(topic="t", partition=0, offset=n, at=at, writer=writer, birth=f"{T}/{n}", phase="intent",
                       attempt=1)
            for n, at, writer in ((0, 9.9, "dead"), (1, 16.4, "next"))
        ],
        ended=[], offsets={}, operations={},
    )  # fmt: skip
    assert first_calls(evidence, [10.0]) == [6.5]
    with pytest.raises(AssertionError, match="nobody called"):
        first_calls(evidence, [10.0, 20.0])


# --- the line -----------------------------------------------------------------------------------------------------


def stage(tmp_path: Path, *, timed: bool = True, expects: Verdict = Verdict.SURVIVES) -> Stage:
    fault = Fault(name="made", part="process", what="what", play=lambda stage: None, expects=expects)
    return Stage(fault, KafkaCluster(tmp_path), tmp_path, timed=timed)


def test_a_line_is_bad_when_something_is_lost(tmp_path: Path) -> None:
    played = stage(tmp_path)
    played.found = Measured(requests=9, harms={Harm.LOST: 1}, stall=1.25, recovered=None)
    line = lines.line_of(played, 12.0)
    assert (line.lost, line.verdict, line.as_expected) == (1, "FAILED", False)
    assert "BAD" in lines.printed(line)


def test_a_figure_above_its_bound_fails_where_time_counts(tmp_path: Path) -> None:
    slow, untimed = stage(tmp_path), stage(tmp_path, timed=False)
    for played in (slow, untimed):
        played.figure("first call after", 11.0, at_most=10)
    assert (slow.verdict, untimed.verdict) == (Verdict.FAILS, Verdict.SURVIVES)
    assert lines.line_of(untimed, 1.0).note == "first call after 11 s (at most 10)"


@pytest.mark.parametrize(("stall", "recovered"), [(30.0, None), (1.0, 30.0)])
def test_to_stand_still_for_longer_than_is_allowed_fails_where_time_counts(
    tmp_path: Path, stall: float, recovered: float | None
) -> None:
    slow, untimed = stage(tmp_path), stage(tmp_path, timed=False)
    for played in (slow, untimed):
        played.found = Measured(requests=9, stall=stall, recovered=recovered)
        played.judge_times()
    assert (slow.verdict, untimed.verdict) == (Verdict.FAILS, Verdict.SURVIVES)
    assert "30.0 s, 22 are allowed" in lines.line_of(slow, 1.0).note


def test_to_survive_what_was_to_be_refused_is_not_as_expected(tmp_path: Path) -> None:
    played = stage(tmp_path, expects=Verdict.REFUSES)
    assert not lines.line_of(played, 1.0).as_expected
    played.refused = True
    assert lines.line_of(played, 1.0).as_expected


def test_a_partial_run_replaces_only_its_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(describe_faults, "results", lines.results)
    assert "not played yet" in describe_faults.table()
    line = lines.line_of(stage(tmp_path), 1.0)
    lines.keep(line)
    lines.keep(replace(line, fault="kill_owner", note="a | b"))
    assert set(lines.results()) == {"made", "kill_owner"}
    assert "a &#124; b" in describe_faults.table()
    assert (
        f"**1 were played on exactly the code that this page was written with** (`{line.code}`)"
        in describe_faults.table()
    )
    lines.forget([one.name for one in faults()])
    assert set(lines.results()) == {"kill_owner"}


def test_a_page_is_not_stale_because_the_code_has_changed_since(monkeypatch: pytest.MonkeyPatch) -> None:
    page, _ = rewritten("<!-- generated: faults -->\n<!-- end of faults -->")
    monkeypatch.setattr(describe_faults, "code_digest", lambda: "another")
    fresh, stale = rewritten(page)
    assert stale == []
    assert "(`another`)" in fresh


def test_faults_are_chosen_by_name_pattern_and_part() -> None:
    assert [one.name for one in named(["kill_owner"])] == ["kill_owner"]
    assert {one.part for one in named(["failover_*", "process"])} == {"process", "group"}
    assert [one.part for one in named([])] == sorted((one.part for one in faults()), key=PARTS.index)
    with pytest.raises(LookupError, match="no_such"):
        named(["kill_owner", "no_such"])
