"""What the tests need of the machine, in the words of ``tools/prerequisites.sh``, and what Maven fetches for them."""

from __future__ import annotations

import functools
import re
import subprocess
import textwrap
from pathlib import Path
from typing import Literal

_SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "prerequisites.sh"


class PrerequisiteMissingError(Exception):
    """Something a person has to do; the message says what, in one line."""


@functools.cache
def need(what: Literal["java", "maven"]) -> None:
    """Raises PrerequisiteMissingError where it is not there."""
    done = subprocess.run([_SCRIPT, what], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PrerequisiteMissingError(done.stderr.strip())


def fetch(what: str, *arguments: str) -> None:
    """Runs Maven. ``what`` is the thing fetched, as a person calls it. Raises PrerequisiteMissingError."""
    need("java")
    need("maven")
    command = ["mvn", "-q", "-B", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        cause = _cause(done.stdout + done.stderr) or f"exit code {done.returncode}"
        what_to_do = "see to its network, proxy or mirror (~/.m2/settings.xml), then try again"
        raise PrerequisiteMissingError(f"Maven could not fetch {what}: {cause}; {what_to_do}")


def _cause(output: str) -> str:
    """The first error that Maven tells, or else the last line of what it said."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("[ERROR]")]
    told = re.sub(r"^\[\w+\]\s*", "", (errors[:1] or lines[-1:] or [""])[0])
    return textwrap.shorten(told, 300, placeholder=" …").rstrip(".")
