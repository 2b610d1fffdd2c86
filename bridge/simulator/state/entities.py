"""The entity store: what exists, who owns it, what state it is in."""

from __future__ import annotations

import re
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.simulator.protocol.exchange import JsonObject, no_access
from bridge.simulator.state.kinds import KINDS, Kind

if TYPE_CHECKING:
    from bridge.simulator.state.tasks.tasks import Task

RECENT_TASKS = 12
"""How many of its Tasks an entity keeps at most, so that memory is bounded; which of them it lists is a matter of time
(queued, running and recently completed ones: TasksInProgressType of entity.xsd)."""

MAXIMUM_LENIENT = 100_000

EVERYBODY = "*"
"""Stands for all members of an organization in :attr:`Entity.shared`."""

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(slots=True, eq=False)
class Entity:
    """One object of the cloud. ``org`` None only for the System organization itself."""

    kind: Kind
    uuid: str
    name: str
    org: Entity | None = None
    parent: Entity | None = None
    description: str = ""
    status: int | None = None
    deployed: bool | None = None
    properties: JsonObject = field(default_factory=dict)
    """Further fields of the document, by their JSON names."""
    metadata: JsonObject = field(default_factory=dict)
    """Values of the metadata by ``<domain>/<key>``."""
    sections: JsonObject = field(default_factory=dict)
    """What was PUT below the entity, by the rest of the path."""
    children: list[Entity] = field(default_factory=list)
    tasks: deque[Task] | None = None
    busy: Task | None = None
    owner: Entity | None = None
    """The user whom it belongs to; None: nobody said, then its organization's first administrator."""
    shared: dict[str, str] = field(default_factory=dict)
    """Access level (``ReadOnly``, ``Change``, ``FullControl``) by the uuid of a user, or by ``*`` for all members."""
    created_at: float = 0.0
    """Seconds since the epoch; the store fills in its own start where nobody said."""
    state: object | None = None
    """What there is of it beyond the fields of its document, typed by its kind: see the modules of this package."""

    @property
    def urn(self) -> str:
        return f"urn:vcloud:{self.kind.urn}:{self.uuid}"

    @property
    def path(self) -> str:
        """Path of the user's view below /api."""
        if self.kind.name == "orgAssociation":
            return f"/admin/org/{self.organization.uuid}/associations/{self.uuid}"
        return f"/{self.kind.collections[0]}/{self.kind.prefix}{self.uuid}"

    @property
    def organization(self) -> Entity:
        return self.org or self

    def add_task(self, task: Task) -> None:
        if self.tasks is None:
            self.tasks = deque(maxlen=RECENT_TASKS)
        self.tasks.append(task)


@dataclass(slots=True, eq=False)
class User:
    """Somebody who can log in; ``entity`` is what Tasks refer to.

    ``password`` None: only tokens let in, as with a service account. ``api_token``: one that is there from the start.
    """

    name: str
    password: str | None
    org: Entity
    entity: Entity
    api_token: str | None
    is_provider: bool
    role: str
    is_enabled: bool = True


class EntityStore:
    """All entities by uuid.

    With ``lenient`` an unknown id of a known kind becomes an entity when it is addressed; at most 100,000 such
    entities are kept, the oldest goes first.
    """

    def __init__(self, *, lenient: bool = False, founded_at: float = 0.0) -> None:
        self.lenient = lenient
        self.founded_at = founded_at
        self._by_uuid: dict[str, Entity] = {}
        self._by_kind: defaultdict[str, dict[Entity, None]] = defaultdict(dict)
        self._by_name: dict[tuple[str, str | None, str], Entity] = {}
        self._lenient: OrderedDict[str, Entity] = OrderedDict()
        self.users: dict[tuple[str, str], User] = {}
        self.users_by_uuid: dict[str, User] = {}

    def __len__(self) -> int:
        return len(self._by_uuid)

    def __iter__(self) -> Iterator[Entity]:
        return iter(list(self._by_uuid.values()))

    def add(self, entity: Entity) -> Entity:
        entity.created_at = entity.created_at or self.founded_at
        self._by_uuid[entity.uuid] = entity
        self._by_kind[entity.kind.name][entity] = None
        self._by_name[self._name_key(entity.kind, entity.parent, entity.name)] = entity
        if entity.parent is not None:
            entity.parent.children.append(entity)
        return entity

    def add_user(self, user: User) -> None:
        if user.password is not None:
            self.users[user.name.casefold(), user.org.name.casefold()] = user
        self.users_by_uuid[user.entity.uuid] = user

    def remove_user(self, user: User) -> None:
        """Nobody logs in as him any more, and his sessions end; the entity stays where it is."""
        self.users_by_uuid.pop(user.entity.uuid, None)
        key = user.name.casefold(), user.org.name.casefold()
        if self.users.get(key) is user:
            del self.users[key]

    def get(self, uuid: str) -> Entity | None:
        return self._by_uuid.get(uuid)

    def named(self, kind: Kind, parent: Entity | None, name: str) -> Entity | None:
        return self._by_name.get(self._name_key(kind, parent, name))

    def organization(self, name: str) -> Entity | None:
        return self.named(KINDS["org"], None, name)

    def organizations(self) -> list[Entity]:
        return self.of_kind("org")

    def of_kind(self, name: str) -> list[Entity]:
        return list(self._by_kind[name]) if name in self._by_kind else []

    def find(self, kind: Kind, uuid: str, home: Entity | None) -> Entity:
        """The entity of this kind.

        Args:
            home: The organization of entities created on demand.

        Raises:
            Refusal: 403 for an unknown id, as VCD answers.
        """
        entity = self._by_uuid.get(uuid)
        if entity is not None and entity.kind is kind:
            return entity
        if self.lenient and home is not None and UUID.fullmatch(uuid):
            # A client may use one uuid for a vApp and a VM; only the first is found by its bare uuid.
            key = uuid if entity is None else f"{kind.name}/{uuid}"
            return self._lenient.get(key) or self._create_on_demand(key, kind, uuid, home)
        raise no_access(kind.urn, uuid)

    def is_on_demand(self, entity: Entity) -> bool:
        """Whether the entity was made when it was addressed, so that nobody knows its past."""
        return bool(self._lenient) and (
            self._lenient.get(entity.uuid) is entity or self._lenient.get(f"{entity.kind.name}/{entity.uuid}") is entity
        )

    def remove(self, entity: Entity) -> None:
        """The entity and everything inside it are gone."""
        for child in list(entity.children):
            self.remove(child)
        user = self.users_by_uuid.get(entity.uuid)
        if user is not None:
            self.remove_user(user)
        entity.tasks = None
        self._by_kind[entity.kind.name].pop(entity, None)
        for store_key in (entity.uuid, f"{entity.kind.name}/{entity.uuid}"):
            if self._by_uuid.get(store_key) is entity:
                del self._by_uuid[store_key]
                self._lenient.pop(store_key, None)
        key = self._name_key(entity.kind, entity.parent, entity.name)
        if self._by_name.get(key) is entity:
            del self._by_name[key]
        if entity.parent is not None and entity in entity.parent.children:
            entity.parent.children.remove(entity)

    def rename(self, entity: Entity, name: str) -> None:
        key = self._name_key(entity.kind, entity.parent, entity.name)
        if self._by_name.get(key) is entity:
            del self._by_name[key]
        entity.name = name
        self._by_name[self._name_key(entity.kind, entity.parent, name)] = entity

    def move(self, entity: Entity, parent: Entity) -> None:
        """The entity, with what is inside it, lies in another one from now on."""
        key = self._name_key(entity.kind, entity.parent, entity.name)
        if self._by_name.get(key) is entity:
            del self._by_name[key]
        if entity.parent is not None and entity in entity.parent.children:
            entity.parent.children.remove(entity)
        entity.parent = parent
        parent.children.append(entity)
        self._by_name[self._name_key(entity.kind, parent, entity.name)] = entity

    def _create_on_demand(self, key: str, kind: Kind, uuid: str, home: Entity) -> Entity:
        entity = Entity(kind=kind, uuid=uuid, name=f"{kind.name}-{uuid[:8]}", org=home, **initial_state(kind))
        entity.created_at = self.founded_at
        if len(self._lenient) >= MAXIMUM_LENIENT:
            self._drop_oldest_lenient()
        self._lenient[key] = self._by_uuid[key] = entity
        self._by_kind[kind.name][entity] = None
        return entity

    def _drop_oldest_lenient(self) -> None:
        for key, entity in self._lenient.items():
            if entity.busy is None:
                del self._lenient[key], self._by_uuid[key], self._by_kind[entity.kind.name][entity]
                entity.tasks = None  # else the circle with its Tasks would wait for a full garbage collection
                return

    @staticmethod
    def _name_key(kind: Kind, parent: Entity | None, name: str) -> tuple[str, str | None, str]:
        return kind.name, None if parent is None else parent.uuid, name.casefold()


def initial_state(kind: Kind) -> dict[str, Any]:
    """Status 8 is POWERED_OFF, 1 is RESOLVED; ``deployed`` exists for vApps and VMs only."""
    if kind.name in ("vApp", "vm", "shadowVm"):
        return {"status": 8, "deployed": False}
    if kind.name in ("vAppTemplate", "vmTemplate"):
        return {"status": 8}
    if kind.name == "vdc":
        return {"status": 1, "shared": {EVERYBODY: "ReadOnly"}}
    return {"status": 1}
