"""One HTTP request and its answer, without sockets; refusals in VCD's words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

JsonObject = dict[str, Any]

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def to_json(document: object) -> bytes:
    """Compact UTF-8 JSON. Lone surrogates, which a client can send escaped, go out as question marks."""
    return _encode(document).encode("utf-8", "replace")


class Format(StrEnum):
    """What a document is written in; the suffix of its media type."""

    JSON = "json"
    XML = "xml"


@dataclass(slots=True)
class Request:
    """``path`` and ``query`` are as sent (still percent-encoded); header names are lower case.

    ``cell``: name of the cell that it came to.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    cell: str = "cell-1"

    def header(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1").strip()


@dataclass(slots=True)
class Answer:
    """``content_type`` None means no body."""

    status: int
    body: bytes = b""
    content_type: str | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)


class Refusal(Exception):  # VCD's word for it is an answer, not a failure of ours
    """VCD says no: HTTP status, minor error code, text. 401 has no body at all.

    Source: VMware Cloud Director API Programming Guide, HTTP status tables; ErrorType of common.xsd.
    """

    def __init__(self, status: int, code: str, message: str, headers: list[tuple[str, str]] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or []


def bad_request(message: str) -> Refusal:
    return Refusal(400, "BAD_REQUEST", message)


def forbidden(
    message: str = "Either you need some or all of the following rights, or the entity does not exist.",
) -> Refusal:
    return Refusal(403, "ACCESS_TO_RESOURCE_IS_FORBIDDEN", message)


def no_access(kind: str, uuid: str) -> Refusal:
    """What an unknown or hidden entity answers: 403, not 404."""
    return forbidden(f"No access to entity com.vmware.vcloud.entity.{kind}:{uuid}")


def unauthorized() -> Refusal:
    return Refusal(401, "UNAUTHORIZED", "")


def error_document(refusal: Refusal, request_id: str) -> JsonObject:
    """The error document of /api, its text led by the request id as real servers do."""
    return {
        "message": f"[ {request_id} ] {refusal.message}",
        "majorErrorCode": refusal.status,
        "minorErrorCode": refusal.code,
    }


def openapi_error_document(refusal: Refusal, request_id: str, path: str) -> JsonObject:
    """The error document of /cloudapi has no majorErrorCode (go-vcloud-director types/v56/openapi.go).

    That of /oauth is the same (terraform-provider-vcd #905), and has the fields of RFC 6749 besides.
    """
    document: JsonObject = {
        "minorErrorCode": refusal.code,
        "message": f"[ {request_id} ] {refusal.message}",
        "stackTrace": None,
    }
    if path.startswith("/oauth"):
        document |= {"error": refusal.code, "error_description": refusal.message}
    return document


def media_type(stem: str, version: str | None = None, form: Format = Format.JSON) -> str:
    """``stem`` is a media type without ``+json``."""
    return f"{stem}+{form}" if version is None else f"{stem}+{form};version={version}"
