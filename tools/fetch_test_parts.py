"""Fetches the real Kafka, schema registry and PostgreSQL that the tests run on, once, before the tests begin."""

from __future__ import annotations

import sys

from tests.support import kafka, postgres, registry
from tests.support.prerequisites import PrerequisiteMissingError


def main() -> int:
    try:
        kafka.jars()
        registry._installed()
        postgres.archive()
    except PrerequisiteMissingError as missing:
        print(missing, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
