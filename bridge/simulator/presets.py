"""The common faults by name, so that nobody has to remember how they look on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_PAGE = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Preset:
    """Fields of a fault; whoever names the preset may override each."""

    about: str
    fields: Mapping[str, Any]


PRESETS: Mapping[str, Preset] = {
    "lost-request": Preset("the connection ends before anything happens", {"do": "drop"}),
    "lost-answer": Preset("the call is carried out, then the connection ends", {"do": "drop", "effect": True}),
    "no-answer": Preset("the call is carried out, nothing ever comes", {"do": "hang", "effect": True}),
    "half-answer": Preset("half of the answer's body, then the end", {"do": "truncate"}),
    "slow-answer": Preset("100 bytes a second, the head too", {"do": "slow"}),
    "wrong-type": Preset("the right body as text/html", {"do": "content_type"}),
    "clock-skew": Preset("the Date header is 90 s ahead", {"do": "skew"}),
    "session-expired": Preset("401 with an empty body", {"status": 401}),
    "rate-limit": Preset("429 with Retry-After: 1", {"status": 429, "retry_after": 1}),
    "rate-limit-silent": Preset("429 without Retry-After", {"status": 429}),
    "wrapped-rate-limit": Preset(
        "500 around NSX's rate limit",
        {"status": 500, "message": "The client has exceeded request rate of 100 per second, error code 102"},
    ),
    "busy": Preset(
        "400 BUSY_ENTITY in its old text, which names no Task",
        {"status": 400, "minor_code": "BUSY_ENTITY", "message": "The entity is busy completing an operation."},
    ),
    "operation-limits": Preset(
        "400, too many queued operations",
        {
            "status": 400, "minor_code": "OPERATION_LIMITS_EXCEEDED",
            "message": "The maximum number of simultaneous operations for this user on this system has been reached.",
        },
    ),
    "bad-gateway": Preset("502 with a proxy's page", {"status": 502, "body": _PAGE.format("Bad Gateway")}),
    "starting": Preset("503 SERVICE_NOT_READY, as of a cell that starts", {"status": 503}),
    "maintenance": Preset(
        "503 with a balancer's page and Retry-After: 60",
        {"status": 503, "body": _PAGE.format("Maintenance"), "retry_after": 60},
    ),
    "gateway-timeout": Preset(
        "504 with a proxy's page; the call is carried out",
        {"status": 504, "body": _PAGE.format("Gateway Timeout"), "effect": True},
    ),
    "login-page": Preset("200 with somebody's login page", {"status": 200, "body": _PAGE.format("Please log in")}),
    "redirect": Preset(
        "302 to another host", {"status": 302, "headers": {"Location": "https://elsewhere.example/"}, "body": ""}
    ),
}  # fmt: skip
