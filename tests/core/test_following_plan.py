"""The arithmetic that chooses how to look at many Tasks, as a table anybody can read."""

from __future__ import annotations

import pytest

from bridge.core.following_plan import Method, plan

TABLE = """\
followed  processes  active  ended  since |  single  batch  window  sweep | method
       1          1       1      0      0 |       1      1       1      2 | single
       2          1       2      1      0 |       2      1       1      2 | single
      10          1      10      5      0 |      10      1       1      2 | batch
      40          1      40     20      0 |      40      2       1      2 | window
     100          1     100     50      0 |     100      5       1      2 | window
     100          1     100     50      4 |     100      5       1      2 | sweep
   1,000          1   1,000    500      3 |   1,000     50       4     12 | window
   1,000          4   4,000  2,000      4 |   1,000     50      16     48 | sweep
     200          8   8,000  1,000      0 |     200     10       8     71 | batch
  10,000          1  10,000    100      0 |  10,000    500       1     80 | window
  10,000          1  10,000    100      4 |  10,000    500       1     80 | sweep"""


def _row(followed: int, processes: int, active: int, ended: int, since: int) -> str:
    chosen = plan(followed, processes=processes, active=active, ended_per_round=ended, looks_since_sweep=since)
    cost = chosen.cost
    return (
        f"{followed:>8,}  {processes:>9}  {active:>6,}  {ended:>5,}  {since:>5} |"
        f"  {cost[Method.SINGLE]:>6,}  {cost[Method.BATCH]:>5,}  {cost[Method.WINDOW]:>6,}  {cost[Method.SWEEP]:>5,}"
        f" | {chosen.method}"
    )


def test_the_table() -> None:
    rows = [line.replace(",", "").split("|")[0].split() for line in TABLE.splitlines()[1:]]
    printed = "\n".join([TABLE.splitlines()[0], *(_row(*map(int, row)) for row in rows)])
    print(printed)
    assert printed == TABLE


@pytest.mark.parametrize("followed", [3, 50, 1000])
def test_an_unknown_number_of_active_tasks_is_estimated_from_the_processes(followed: int) -> None:
    alone = plan(followed, processes=1, active=None, ended_per_round=0, looks_since_sweep=0)
    among_ten = plan(followed, processes=10, active=None, ended_per_round=0, looks_since_sweep=0)
    assert among_ten.cost[Method.SWEEP] >= alone.cost[Method.SWEEP]
    assert among_ten.cost[Method.BATCH] == alone.cost[Method.BATCH]


def test_cost_grows_far_slower_than_the_number_of_tasks() -> None:
    looks = [plan(10_000, processes=1, active=10_000, ended_per_round=200, looks_since_sweep=n) for n in range(5)]
    assert sum(look.cost[look.method] for look in looks) / len(looks) <= 20


def test_the_first_look_of_many_is_a_sweep() -> None:
    assert plan(1000, processes=1, active=None, ended_per_round=0, looks_since_sweep=0).method is Method.SWEEP
