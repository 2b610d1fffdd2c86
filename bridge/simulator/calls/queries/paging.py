"""The query service: /api/query over Tasks and the commonest entity types.

Source: VCD Programming Guide, "Query Parameters"; QueryResultTaskRecordType and QueryResultAdminTaskRecordType.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from bridge.catalogue.types import load_types
from bridge.simulator.calls.queries.fiql import All, Comparison, Either, Expression, Field
from bridge.simulator.protocol.exchange import JsonObject, Refusal, bad_request

MAXIMUM_PAGE_SIZE = 128
DEFAULT_PAGE_SIZE = 25
FORMATS = ("records", "idrecords", "references")
SNAPSHOT_SECONDS = 30.0
MAXIMUM_SNAPSHOTS = 16
MAXIMUM_SNAPSHOT_ROWS = 200_000

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of one query; ``filter`` is decoded from the query string, not yet parsed."""

    type: str
    format: str
    page: int
    page_size: int
    offset: int
    sort: str | None
    descending: bool
    fields: tuple[str, ...]
    filter: str | None
    filter_encoded: bool
    links: bool

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Parameters:
        """Raises a 400 for an unknown format or a page or page size outside its range."""
        chosen = query.get("format", "records").lower()
        if chosen not in FORMATS:
            raise bad_request(f"Invalid query parameter format: {chosen}")
        page_size = _whole(query, "pageSize", DEFAULT_PAGE_SIZE)
        if page_size > MAXIMUM_PAGE_SIZE:
            raise bad_request(f"Invalid query parameter pageSize: maximum is {MAXIMUM_PAGE_SIZE}")
        return cls(
            type=query.get("type", ""),
            format=chosen,
            page=_whole(query, "page", 1),
            page_size=page_size,
            offset=_whole(query, "offset", 0, least=0),
            sort=query.get("sortDesc") or query.get("sortAsc") or None,
            descending=bool(query.get("sortDesc")),
            fields=tuple(name for name in query.get("fields", "").split(",") if name),
            filter=query.get("filter") or None,
            filter_encoded=query.get("filterEncoded", "").lower() == "true",
            links=query.get("links", "true").lower() != "false",
        )

    @property
    def start(self) -> int:
        """Number of the page's first record, from 0; those below ``offset`` are not returned."""
        return self.offset + (self.page - 1) * self.page_size

    def last_page(self, total: int) -> int:
        return max(1, -(-(total - self.offset) // self.page_size))

    @property
    def sequence_key(self) -> tuple[Any, ...]:
        """What the pages of one sequence share."""
        return self.type, self.page_size, self.sort, self.descending, self.filter


def _whole(query: Mapping[str, str], name: str, default: int, *, least: int = 1) -> int:
    text = query.get(name)
    if text is None or text == "":
        return default
    if not text.isdecimal() or int(text) < least:
        raise bad_request(f"Invalid query parameter {name}: {text}")
    return int(text)


class Snapshots(Generic[Row]):
    """Rows of a page sequence: page 1 takes them, the pages after it read the same ones for half a minute.

    Memory is bounded: only the last sequences are kept, and no more than so many rows of them all.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Any, ...], tuple[float, list[Row]]] = OrderedDict()
        self._rows = 0

    def keep(self, key: tuple[Any, ...], now: float, rows: list[Row]) -> None:
        self._forget(key)
        self._kept[key] = (now, rows)
        self._rows += len(rows)
        while len(self._kept) > 1 and self._is_old(now):
            self._forget(next(iter(self._kept)))

    def kept(self, key: tuple[Any, ...], now: float) -> tuple[float, list[Row]] | None:
        """When the rows were taken, and the rows."""
        found = self._kept.get(key)
        return found if found is not None and now - found[0] <= SNAPSHOT_SECONDS else None

    def _is_old(self, now: float) -> bool:
        taken, _ = next(iter(self._kept.values()))
        full = len(self._kept) > MAXIMUM_SNAPSHOTS or self._rows > MAXIMUM_SNAPSHOT_ROWS
        return full or now - taken > SNAPSHOT_SECONDS

    def _forget(self, key: tuple[Any, ...]) -> None:
        _, rows = self._kept.pop(key, (0.0, []))
        self._rows -= len(rows)


def sort_rows(rows: list[Row], fields: Mapping[str, Field], parameters: Parameters) -> list[Row]:
    """Rows in the asked order, missing values first going up; going down it is exactly the other way round.

    Without a sort they come by id, which is random (database order).
    """
    field = fields.get(parameters.sort or "id")
    if field is None:
        raise bad_request(f"Invalid query parameter sort: unknown field {parameters.sort}")

    def key(row: Row) -> tuple[bool, Any]:
        value = field.get(row)
        return value is not None, value.casefold() if isinstance(value, str) else value if value is not None else 0

    ordered = sorted(rows, key=key)
    return ordered[::-1] if parameters.descending else ordered


_CONTAINERS = {"organization": "OrgReferences", "vm": "VMReferences", "providerVdc": "VMWProviderVdcReferences"}


def container_of(parameters: Parameters) -> str:
    """The root element of a query's references: of the type, of what it is called without ``admin``, or of any."""
    name = parameters.type
    user = name[5:6].lower() + name[6:] if name.startswith("admin") else name
    candidates = (_CONTAINERS.get(user, ""), *(f"{one[:1].upper()}{one[1:]}References" for one in (name, user)))
    return next((one for one in candidates if one in load_types().elements), "References")


def page_document(
    parameters: Parameters, href: str, query: Mapping[str, str], total: int, records: list[JsonObject]
) -> JsonObject:
    """The answer: container of records or references with links to the pages around it."""
    references = parameters.format == "references"
    document: JsonObject = {
        "otherAttributes": {},
        "link": _page_links(parameters, href, query, total) if parameters.links else [],
        "href": _page_href(href, query, parameters.page),
        "type": f"application/vnd.vmware.vcloud.query.{parameters.format}+json",
        "name": parameters.type,
        "page": parameters.page,
        "pageSize": parameters.page_size,
        "total": total,
        "reference" if references else "record": records,
        "vCloudExtension": [],
    }
    return document


def _page_href(href: str, query: Mapping[str, str], page: int) -> str:
    pairs = {**query, "page": str(page)}
    return f"{href}?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs.items())


def _page_links(parameters: Parameters, href: str, query: Mapping[str, str], total: int) -> list[JsonObject]:
    """To the pages around this one, and to this one in the other formats."""
    last = parameters.last_page(total)
    pages = []
    if parameters.page < last:
        pages += [("nextPage", parameters.page + 1), ("lastPage", last)]
    if parameters.page > 1:
        pages += [("firstPage", 1), ("previousPage", parameters.page - 1)]
    links = [_link(rel, _page_href(href, query, page), parameters.format) for rel, page in pages]
    for form in FORMATS:
        if form != parameters.format:
            links.append(_link("alternate", _page_href(href, {**query, "format": form}, parameters.page), form))
    return links


def _link(rel: str, href: str, form: str) -> JsonObject:
    return {"rel": rel, "href": href, "type": f"application/vnd.vmware.vcloud.query.{form}+json"}


def conjuncts(expression: Expression | None) -> Iterator[Expression]:
    """The parts that all must hold."""
    if isinstance(expression, All):
        for part in expression.parts:
            yield from conjuncts(part)
    elif expression is not None:
        yield expression


def equal_values(expression: Expression, selector: str) -> list[str] | None:
    """The values of ``selector==a,selector==b,…``; None for anything else."""
    parts: Iterable[Expression] = expression.parts if isinstance(expression, Either) else (expression,)
    values = []
    for part in parts:
        if not (isinstance(part, Comparison) and part.selector == selector and part.operator == "=="):
            return None
        if len(part.pieces) > 1:
            return None
        values.append(part.value)
    return values


def unknown_type(name: str) -> Refusal:
    return bad_request(f"Invalid query parameter type: {name}" if name else "Query parameter type is missing")
