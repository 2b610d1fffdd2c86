"""What a bridge's metrics say."""

from __future__ import annotations

import re
import time
import urllib.request


def metric(address: str, name: str) -> float:
    """Sum over the labels of one metric of the bridge with this management port."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        found = re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", answer.read().decode(), re.MULTILINE)
    return sum(float(value) for value in found)


def wait_metric(address: str, name: str, wanted: float, seconds: float = 30.0) -> None:
    """Until it is at least that."""
    deadline = time.monotonic() + seconds
    while (value := metric(address, name)) < wanted:
        assert time.monotonic() < deadline, f"{name} is {value}"
        time.sleep(0.02)  # the metrics are polled: there is nothing to be woken by
