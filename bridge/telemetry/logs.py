"""Structured logs on standard error: one line per fact, JSON or text, secrets masked whoever wrote the line."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

MASK = "********"
_SECRET_KEYS = (
    "authorization",
    "password",
    "passphrase",
    "secret",
    "token",
    "credential",
    "cookie",
    "api_key",
    "access-key",
)
_SHORTEST = 4
"""Secrets shorter than this are masked only where they are the whole text, or they would garble everything else."""
_QUIET = ("httpx", "httpcore", "uvicorn", "uvicorn.access", "uvicorn.error", "asyncio", "confluent_kafka", "urllib3")
"""Libraries whose everyday lines are not facts of the bridge; their warnings are."""


class Redactor:
    """Masks known secret values anywhere, and every value under a key that speaks of a secret."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # The longest first: one that another begins with would leave the other's rest in the clear.
        self._secrets = sorted(filter(None, set(secrets)), key=len, reverse=True)

    def text(self, text: str) -> str:
        for secret in self._secrets:
            if text == secret:
                return MASK
            if len(secret) >= _SHORTEST and secret in text:
                text = text.replace(secret, MASK)
        return text

    def value(self, value: object) -> object:
        match value:
            case str():
                return self.text(value)
            case bytes():
                return self.text(value.decode("utf-8", "replace"))
            case Mapping():
                return {self.text(str(key)): self._under(str(key), item) for key, item in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.value(item) for item in value]
            case None | bool() | int() | float():
                return value
            case _:
                return self.text(str(value))

    def _under(self, key: str, value: object) -> object:
        lowered = key.lower()
        if value is not None and any(word in lowered for word in _SECRET_KEYS):
            return MASK
        return self.value(value)

    def __call__(self, _logger: object, _method: str, event: EventDict) -> EventDict:
        """As a structlog processor."""
        for key, value in event.items():
            if key not in {"level", "timestamp", "_record", "_from_structlog"}:
                event[key] = self._under(key, value)
        return event


def configure_logging(
    *, level: str = "info", form: str = "json", secrets: Iterable[str] = (), stream: TextIO | None = None
) -> Redactor:
    """Set up logging for the process, the libraries' too. ``form`` = ``json`` | ``text``. Call it once per process."""
    stream = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    redactor = Redactor(secrets)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redactor,
    ]
    rendered = [_in_front, _renderer(form, stream)]
    structlog.configure(
        processors=[*shared, *rendered],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), _logger_name, *shared[1:]],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redactor, *rendered],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in _QUIET:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(max(number, logging.WARNING))
    return redactor


def _in_front(_logger: object, _method: str, event: EventDict) -> EventDict:
    """When, how bad, what: first, so that raw lines can be read."""
    first = {key: event.pop(key) for key in ("timestamp", "level", "event") if key in event}
    return {**first, **event}


def _renderer(form: str, stream: TextIO) -> Processor:
    if form == "json":
        return structlog.processors.JSONRenderer(default=str)
    return structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=24)


def _logger_name(logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    record = event.get("_record")
    if record is not None:
        event["logger"] = record.name
    return event
