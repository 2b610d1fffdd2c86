"""What a bridge's metrics say."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from typing import Any


def metric(address: str, name: str) -> float:
    """Sum over the labels of one metric of the bridge with this management port."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        found = re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", answer.read().decode(), re.MULTILINE)
    return sum(float(value) for value in found)


def wait_metric(address: str, name: str, wanted: float, seconds: float = 30.0, *, falls: bool = False) -> None:
    """Until it is at least that; at most, where it ``falls``."""
    deadline = time.monotonic() + seconds
    while (value := metric(address, name)) > wanted if falls else (value := metric(address, name)) < wanted:
        assert time.monotonic() < deadline, f"{name} is {value}"
        time.sleep(0.02)  # the metrics are polled: there is nothing to be woken by


def probe(address: str, path: str) -> tuple[int, dict[str, Any]]:
    """Status and body of ``/live`` or ``/ready``; status 0 where nobody listens."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)
    except OSError:
        return 0, {}
