"""The pytest plugin: a test whose simulator says something that VMware's schemas do not know fails.

At the end of the session the counts are in ``.cache/fidelity/answers.json``.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.fidelity.conformity.answers import watch
from tests.fidelity.conformity.judge import JUDGE, RESULTS


class NotConformingError(AssertionError):
    """An answer of the simulator's is not as VMware's schemas have it."""


def pytest_configure() -> None:
    watch(JUDGE.take)


def _check() -> None:
    found = JUDGE.judge()
    if found:
        raise NotConformingError("the simulator's answers do not conform:\n" + "\n".join(found))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    yield
    _check()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, None, None]:
    yield
    _check()


def pytest_sessionfinish() -> None:
    JUDGE.write(RESULTS / "answers.json")
