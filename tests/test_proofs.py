"""The check of the guarantees' proofs names what is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.check_proofs import GUARANTEES, Known, missing

KNOWN = Known(faults={"kill_owner"}, mutants={"blind_repeat"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_one.py").write_text("def test_it(): ...\n\n\ndef helper(): ...\n")
    return tmp_path


def _page(proofs: str) -> str:
    """All guarantees; the first one's proofs are those."""
    sound = "**Proven by** `tests/test_one.py::test_it`"
    first, *others = GUARANTEES
    return f"## {first} A promise\n\n{proofs}\n\n" + "\n\n".join(f"## {name} Another\n\n{sound}" for name in others)


def test_a_page_whose_proofs_are_there(root: Path) -> None:
    proofs = (
        "`tests/test_one.py::test_it`, `tests/test_one.py`, `make campaign FAULT=kill_owner`, `mutant:blind_repeat`"
    )
    assert list(missing(_page(proofs), KNOWN, root)) == []


@pytest.mark.parametrize(
    ("span", "said"),
    [
        ("tests/test_one.py::test_gone", "there is no test tests/test_one.py::test_gone"),
        ("tests/test_one.py::helper", "there is no test tests/test_one.py::helper"),
        ("tests/test_two.py::test_it", "there is no test tests/test_two.py::test_it"),
        ("tests/test_two.py", "there is no tests/test_two.py"),
        ("make campaign FAULT=gone", "the campaign has no fault gone"),
        ("mutant:gone", "the simulation's tests have no mutant gone"),
    ],
)
def test_what_is_gone_is_named(root: Path, span: str, said: str) -> None:
    assert list(missing(_page(f"`tests/test_one.py::test_it`, `{span}`"), KNOWN, root)) == [said]


def test_a_guarantee_without_a_test_is_named(root: Path) -> None:
    assert list(missing(_page("by `make campaign FAULT=kill_owner`"), KNOWN, root)) == ["I1 names no test"]


def test_a_guarantee_that_is_gone_is_named(root: Path) -> None:
    page = _page("`tests/test_one.py::test_it`").replace("## I9 ", "## Nine ")
    assert list(missing(page, KNOWN, root)) == ["I9 names no test"]
