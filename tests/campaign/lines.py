"""The campaign's lines: as printed, and as kept for ``docs/faults.md``."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import confluent_kafka
import psutil

from bridge import __version__
from tests.campaign.stage import Stage
from tests.support.checker import Harm
from tests.support.kafka import KAFKA_VERSION

RESULTS = Path(__file__).with_name("results.json")
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What came of one fault. Counts are violations by kind; times in seconds, None where there is nothing to tell.

    ``other``: what contradicts a guarantee in none of these ways. ``date``: UTC, ISO; of old lines only the day.
    ``code``: of the bridge that was struck, as :func:`code_digest` tells; empty for old lines.
    """

    fault: str
    injected: int
    requests: int
    lost: int
    doubled: int
    gaps: int
    out_of_order: int
    other: int
    stall: float | None
    recovered: float | None
    verdict: str
    note: str
    as_expected: bool
    took: float
    date: str
    machine: str
    versions: str
    code: str = ""


def line_of(stage: Stage, took: float) -> Line:
    """``took``: how long the fault was played, in seconds."""
    found = stage.found
    return Line(
        fault=stage.fault.name,
        injected=len(stage.injections),
        requests=found.requests,
        lost=found.harms.get(Harm.LOST, 0),
        doubled=found.harms.get(Harm.DOUBLED, 0),
        gaps=found.harms.get(Harm.GAP, 0),
        out_of_order=found.harms.get(Harm.ORDER, 0),
        other=found.harms.get(Harm.OTHER, 0),
        stall=round(found.stall, 1) if found.requests else None,
        recovered=round(found.recovered, 1) if found.recovered is not None else None,
        verdict=stage.verdict,
        note="; ".join([*stage.failures, *stage.notes]),
        as_expected=stage.verdict is stage.fault.expects,
        took=round(took, 1),
        date=datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
        machine=machine(),
        versions=versions(),
        code=code_digest(),
    )


def code_digest(root: Path = ROOT) -> str:
    """Eight digits that tell which bridge this is: those of a hash of all its files, and of its schemas."""
    whole = hashlib.sha256()
    for folder in ("bridge", "schemas"):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                content = path.read_bytes()
                whole.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    return whole.hexdigest()[:8]


def machine() -> str:
    """What it ran on: processors, memory, system."""
    memory, kernel = round(psutil.virtual_memory().total / 2**30), ".".join(platform.release().split(".")[:2])
    return f"{os.cpu_count()} processors ({platform.machine()}), {memory} GiB, {platform.system()} {kernel}"


def versions() -> str:
    library = confluent_kafka.libversion()[0]
    return (
        f"bridge {__version__}, Apache Kafka {KAFKA_VERSION}, confluent-kafka {confluent_kafka.__version__}"
        f" (librdkafka {library}), Python {platform.python_version()}"
    )


HEAD = ("fault", "injected", "requests", "lost", "doubled", "gaps", "out of order", "stall", "recovered", "verdict")
_WIDTHS = (38, 8, 8, 4, 7, 4, 12, 7, 9, 8)


def head() -> str:
    return _row(HEAD)


def printed(line: Line) -> str:
    """One row under :func:`head`, with its note behind it."""
    cells = (
        line.fault, line.injected, line.requests, line.lost, line.doubled, line.gaps, line.out_of_order,
        seconds(line.stall), seconds(line.recovered), line.verdict if line.as_expected else f"BAD: {line.verdict}",
    )  # fmt: skip
    return f"{_row(cells)}  {line.note}".rstrip()


def seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def _row(cells: Sequence[object]) -> str:
    first, *others = (str(cell) for cell in cells)
    return "  ".join([first.ljust(_WIDTHS[0]), *(c.rjust(w) for c, w in zip(others, _WIDTHS[1:], strict=True))])


def results() -> dict[str, Line]:
    """The last line of every fault that was played, by its name."""
    if not RESULTS.exists():
        return {}
    return {name: Line(**kept) for name, kept in json.loads(RESULTS.read_text(encoding="utf-8")).items()}


def keep(line: Line) -> None:
    """Put a line in the place of its fault's last one."""
    with _alone():
        _write({**results(), line.fault: line})


def forget(names: Sequence[str]) -> None:
    """Drop the lines of all faults but these: the others are no more."""
    with _alone():
        _write({name: line for name, line in results().items() if name in names})


@contextmanager
def _alone() -> Iterator[None]:
    """Other campaigns wait: what is read here is still so when it is written. The lock is the folder's: no file."""
    folder = os.open(RESULTS.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _write(lines: Mapping[str, Line]) -> None:
    """At once: others may read meanwhile."""
    rows = {name: asdict(line) for name, line in sorted(lines.items())}
    fresh = RESULTS.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    fresh.replace(RESULTS)
