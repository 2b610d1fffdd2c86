"""The schema registry (Confluent's API) through confluent-kafka's own client: settled at start, then asked for ids.

What was learnt is kept for ever, because an id never gets another schema: an outage stops nothing but the intake of
ids not seen before. The client blocks, so it works in threads under a time-out.

Error codes: Confluent "Schema Registry API Reference" (not found: 40401 subject, 40402 version,
40403 schema, 40408 level of the subject).
"""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

with warnings.catch_warnings(record=True):
    # The client imports authlib, which announces the end of a module of its own, with a filter that stands before
    # anybody's: the warning can only be caught.
    from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
    from confluent_kafka.schema_registry.error import SchemaRegistryError

from bridge.errors import BridgeError, ConfigurationError, TemporaryError
from bridge.kafka.registry_access import RegistryAccess
from bridge.kafka.subjects import OwnSchema, SubjectState

_T = TypeVar("_T")

_SCHEMA_NOT_FOUND = 40403
_NOT_FOUND = frozenset({40401, 40402, _SCHEMA_NOT_FOUND, 40408})
_REFUSAL_SECONDS = 10.0
"""How long "no such id" is believed: someone may register the schema after the record was written."""
_MAX_REFUSALS = 1000
_LARGEST_ID = 0xFFFFFFFF
"""Larger numbers are schema GUIDs."""


class SchemaRegistry:
    """One registry. Implements ``bridge.avro.source.SchemaSource``; usable from one event loop."""

    def __init__(self, access: RegistryAccess) -> None:
        """Raises ConfigurationError when the address or the certificate file cannot be used."""
        self._access = access
        self._known: dict[int, str] = {}
        self._refused: dict[int, tuple[float, str]] = {}
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="schema-registry")
        try:
            self._client = SchemaRegistryClient(_configuration(access))
        except (ValueError, TypeError, OSError) as error:
            raise ConfigurationError(f"schema registry {access.url}: {error}", hint="see [registry]") from error

    # --- ids of records -------------------------------------------------------------------------------------------

    def known(self, schema_id: int) -> str | None:
        """Text of a schema learnt before."""
        return self._known.get(schema_id)

    def refused(self, schema_id: int) -> str | None:
        """Why the registry itself said, within the last seconds, that the id gives no Avro schema."""
        found = self._refused.get(schema_id)
        if found is None:
            return None
        if time.monotonic() - found[0] > _REFUSAL_SECONDS:
            del self._refused[schema_id]
            return None
        return found[1]

    async def learn(self, schema_id: int) -> None:
        """Ask for an id. Returns also when the registry cannot be reached or is not able to say; never raises."""
        if schema_id in self._known:
            return
        try:
            schema = await self._in_thread(lambda: self._fetch(schema_id))
        except SchemaRegistryError as error:
            if error.error_code == _SCHEMA_NOT_FOUND:
                self._refuse(schema_id, "the registry does not know it")
            return
        except Exception:  # noqa: BLE001  # whatever an HTTP client may raise, it means: not learnt now
            return
        if schema.schema_type not in (None, "AVRO"):
            self._refuse(schema_id, f"it is of type {schema.schema_type}, not AVRO")
        elif schema.references:
            self._refuse(schema_id, "it refers to other schemas; a self-contained one is needed")
        elif schema.schema_str is not None:
            self._known[schema_id] = schema.schema_str

    def _fetch(self, schema_id: int) -> Schema:
        if schema_id > _LARGEST_ID:
            return self._client.get_schema_by_guid(str(uuid.UUID(int=schema_id)))
        return self._client.get_schema(schema_id)

    def _refuse(self, schema_id: int, why: str) -> None:
        if len(self._refused) >= _MAX_REFUSALS:
            self._refused.pop(next(iter(self._refused)))
        self._refused[schema_id] = (time.monotonic(), why)

    # --- schemas of ours ------------------------------------------------------------------------------------------

    def mark(self, schema: OwnSchema) -> str:
        """What an id of the schema belongs to: this registry, the subject and the text, as 32 hex digits."""
        whole = "\0".join((self._access.url.rstrip("/"), schema.subject, schema.text))
        return hashlib.sha256(whole.encode()).hexdigest()[:32]

    def remember(self, schema_id: int, text: str) -> None:
        """Take the word of an earlier process for it."""
        self._known[schema_id] = text

    async def state(self, schema: OwnSchema) -> SubjectState:
        """Look at a subject and change nothing. Raises TemporaryError or ConfigurationError."""
        return await self._asked(lambda: self._state(schema))

    async def settle(self, schema: OwnSchema, *, register: bool) -> SubjectState:
        """``state`` and ``put`` in one."""
        return await self.put(await self.state(schema), register=register)

    async def put(self, state: SubjectState, *, register: bool) -> SubjectState:
        """See that the schema is under its subject, with ``register`` put it there; then ``schema_id`` is an id.

        Raises ConfigurationError when it lacks there and may not, or cannot, be registered, and when it may not follow
        the versions before it; TemporaryError when the registry cannot be asked.
        """
        schema = state.schema
        if state.objections:
            raise ConfigurationError(
                f"schema registry: the bridge's schema may not follow subject {schema.subject}: {state.objections[0]}",
                hint="another program has registered another schema there; use other topic names or clear the subject",
            )
        if state.schema_id is None:
            if not register:
                raise ConfigurationError(
                    f"schema registry: subject {schema.subject} lacks the bridge's schema",
                    hint="register it (vcd-bridge schemas register) or set registry.auto_register",
                )
            ours = Schema(schema.text, "AVRO")
            schema_id = await self._asked(lambda: self._client.register_schema(schema.subject, ours))
            state = replace(state, schema_id=schema_id, exists=True)
        if state.schema_id is not None:
            self._known[state.schema_id] = schema.text
        return state

    async def set_level(self, state: SubjectState) -> SubjectState:
        """Give the subject the level that its schema asks for. Raises TemporaryError or ConfigurationError."""
        schema = state.schema
        await self._asked(lambda: self._client.set_compatibility(schema.subject, schema.level))
        return replace(state, level=schema.level, level_is_own=True)

    async def close(self) -> None:
        """Let go of threads and connections; a call under way ends by its own time-out."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def _state(self, schema: OwnSchema) -> SubjectState:
        subject = schema.subject
        found = _or_none(lambda: self._client.lookup_schema(subject, Schema(schema.text, "AVRO")))
        numbers = sorted(_or_none(lambda: self._client.get_versions(subject)) or ())
        own = found.version if found is not None else None
        before = {n: self._text(subject, n) for n in numbers if own is None or n < own}
        level = _or_none(lambda: self._client.get_compatibility(subject))
        return SubjectState(
            schema=schema,
            schema_id=found.schema_id if found is not None else None,
            exists=bool(numbers),
            objections=tuple(schema.forbids(before)),
            level=level if level is not None else _or_none(self._client.get_compatibility),
            level_is_own=level is not None,
        )

    def _text(self, subject: str, version: int) -> str:
        return self._client.get_version(subject, version).schema.schema_str or ""

    async def _asked(self, call: Callable[[], _T]) -> _T:
        """A call whose failure must be told to a person."""
        where = f"schema registry {self._access.url}"
        try:
            return await self._in_thread(call)
        except SchemaRegistryError as error:
            raise _told(where, error) from error
        except TimeoutError as error:
            raise TemporaryError(f"{where} does not answer within {self._access.timeout_seconds:g} s") from error
        except Exception as error:
            # The HTTP client's own errors, which this folder does not import: refused, reset, TLS, not HTTP.
            hint = "is it running, and is registry.url its address (with the path of the Confluent API)?"
            raise TemporaryError(f"{where} cannot be asked: {type(error).__name__}: {error}", hint=hint) from error

    async def _in_thread(self, call: Callable[[], _T]) -> _T:
        loop = asyncio.get_running_loop()
        # The client's time-out counts per read; a registry that answers byte by byte must not outlast it.
        return await asyncio.wait_for(loop.run_in_executor(self._threads, call), self._access.timeout_seconds)


def _configuration(access: RegistryAccess) -> dict[str, object]:
    configuration: dict[str, object] = {"url": access.url, "timeout": access.timeout_seconds, "max.retries": 0}
    if access.username is not None:
        configuration["basic.auth.user.info"] = f"{access.username}:{access.password or ''}"
    if access.ca_file is not None:
        configuration["ssl.ca.location"] = access.ca_file
    return configuration


def _or_none(ask: Callable[[], _T]) -> _T | None:
    """The answer; None where subject, version or schema are not there."""
    try:
        return ask()
    except SchemaRegistryError as error:
        if error.error_code in _NOT_FOUND:
            return None
        raise


def _told(where: str, error: SchemaRegistryError) -> BridgeError:
    text = f"{where} answers {error.http_status_code}: {str(error.error_message)[:200]}"
    if error.http_status_code in (401, 403):
        return ConfigurationError(text, hint="check registry.username, registry.password and the user's rights")
    if error.http_status_code >= 500 or error.http_status_code == 429:
        return TemporaryError(text)
    return ConfigurationError(text, hint="check registry.url: it ends with the path of the Confluent API")
