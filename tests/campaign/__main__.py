"""``python -m tests.campaign [NAME|PATTERN|PART]… [--hours H] [--list]``: plays faults and prints a line for each."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.campaign.fault import Fault, faults, named
from tests.campaign.lines import forget, head, keep, printed
from tests.campaign.playing import clusters, in_order, play


def main(arguments: Sequence[str] | None = None) -> int:
    """The number of lines that are not as expected, at most 1: an exit code. 2: no fault is called so."""
    parser = argparse.ArgumentParser(prog="make campaign", description=__doc__)
    parser.add_argument("faults", nargs="*", help="names, patterns like 'kill*', or parts like 'broker'")
    parser.add_argument("--hours", type=float, help="how long a soak is to take")
    parser.add_argument("--list", action="store_true", help="only say what there is")
    options = parser.parse_args(arguments)
    try:
        chosen = named(options.faults)
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    if options.list:
        for one in chosen:
            print(f"{one.part:10} {one.name:38} {one.minutes:4g} min  {one.what}")
        return 0
    if not options.faults:
        forget([one.name for one in faults()])
    chosen = [one for one in chosen if options.hours is not None or not one.needs_hours]
    return _play(in_order(chosen), options.hours)


def _play(chosen: Sequence[Fault], hours: float | None) -> int:
    directory = Path(tempfile.mkdtemp(prefix="vcd-bridge-campaign-"))
    bad = 0
    print(head(), flush=True)
    with clusters(directory / "kafka") as made:
        for number, fault in enumerate(chosen, 1):
            _say(f"{number}/{len(chosen)} {fault.name}: {fault.what}")
            place = directory / fault.name
            line = play(fault, made.for_fault(fault), place, hours=hours)
            _say("")
            print(printed(line), flush=True)
            keep(line)
            if line.as_expected:
                shutil.rmtree(place)
            else:
                bad += 1
                print(f"  its logs: {place}", file=sys.stderr)
    if not bad:
        shutil.rmtree(directory)
    return int(bad > 0)


def _say(what: str) -> None:
    """What is under way, on a terminal, in a line that the next one overwrites."""
    if sys.stderr.isatty():
        print(f"\r\033[K{what[: shutil.get_terminal_size().columns - 1]}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
