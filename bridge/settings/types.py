"""Checked value types that settings are made of."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from bridge.catalogue.load import load as load_catalogue

MASK = "********"

_SECRET_PROPERTY = re.compile(
    r"password|passphrase|secret|token|\.pem$|jaas|oauthbearer\.config|sasl\.kerberos\.kinit", re.IGNORECASE
)
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


def _topic(text: str) -> str:
    if not _TOPIC.fullmatch(text) or text in {".", ".."}:
        raise ValueError("not a legal topic name: 1-249 of letters, digits, '.', '_', '-'")
    return text


def _http_url(text: str) -> str:
    parts = urlsplit(text.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be http://HOST[:PORT] or https://HOST[:PORT]")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold credentials: they have settings of their own")
    if parts.query or parts.fragment:
        raise ValueError("must not have a query or a fragment")
    _ = parts.port  # raises ValueError when it is not a port
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _vcd_url(text: str) -> str:
    return _http_url(text).removesuffix("/api")


def _api_version(text: str) -> str:
    if not re.fullmatch(r"\d+\.\d+", text, re.ASCII):
        raise ValueError("must be MAJOR.MINOR, e.g. 38.1")
    return text


def parse_listen(text: str) -> tuple[str, int]:
    """``host:port`` or ``[ipv6]:port`` to its parts. Raises ValueError. Port 0 takes any free port."""
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ValueError("must be host:port, e.g. 127.0.0.1:8085")
    return host, int(port)


def _listen(text: str) -> str:
    parse_listen(text)
    return text


def _bootstrap(text: str) -> str:
    servers = [server.strip() for server in text.split(",")]
    for server in servers:
        try:
            _, port = parse_listen(server.rsplit("://", 1)[-1])
        except ValueError:
            port = 0
        if port == 0:
            raise ValueError(f"must be host:port[,host:port...]; {server!r} is not")
    return ",".join(servers)


def _patterns(value: object) -> object:
    """Lists may be written as one text, with commas or as JSON, which is how they fit into an environment variable."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        return json.loads(value)
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _operations(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """A misspelt pattern would deny, or allow, nothing."""
    if patterns:
        catalogue = load_catalogue()
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in catalogue):
                near = catalogue.nearest(pattern.strip("*?"))
                meant = f"did you mean {near[0]}?" if near else "`vcd-bridge operations` lists them"
                raise ValueError(f"{pattern!r} is no operation of the catalogue; {meant}")
    return patterns


def is_secret_property(name: str) -> bool:
    """Whether a librdkafka property holds a secret and is masked. An address of where tokens come from is none."""
    return bool(_SECRET_PROPERTY.search(name)) and not name.lower().endswith(".url")


def _flat_properties(value: object) -> object:
    """TOML writes ``security.protocol = …`` as nested tables; librdkafka's names are flat."""
    if not isinstance(value, Mapping):
        return value
    return {name: _property(name, item) for name, item in flatten(value).items()}


def flatten(tables: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables to one table with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in tables.items():
        dotted = f"{prefix}{name}"
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{dotted}."))
        else:
            flat[dotted] = value
    return flat


def _property(name: str, value: object) -> str | SecretStr:
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, int | float):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError(f"{name} must be text, a number, or true or false")  # noqa: TRY004  # pydantic's way to say it
    return SecretStr(value) if is_secret_property(name) else value


TopicName = Annotated[str, AfterValidator(_topic)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
VcdUrl = Annotated[str, AfterValidator(_vcd_url)]
VcdUrls = Annotated[tuple[VcdUrl, ...], NoDecode, BeforeValidator(_patterns)]
ApiVersion = Annotated[str, AfterValidator(_api_version)]
Listen = Annotated[str, AfterValidator(_listen)]
BootstrapServers = Annotated[str, AfterValidator(_bootstrap)]
Patterns = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_patterns)]
OperationPatterns = Annotated[Patterns, AfterValidator(_operations)]
Properties = Annotated[dict[str, str | SecretStr], BeforeValidator(_flat_properties)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
