"""Who sees and may do what: the one place that decides.

Source: VMware Cloud Director documentation, "Predefined Roles and Their Rights" and the vCloud Director Administrator's
Guide, tables of the rights on catalogs and vApps; for sessions of API tokens the 10.4 guides' page on API tokens.
"""

from __future__ import annotations

import re
from enum import Flag, auto

from bridge.catalogue.operation import Operation
from bridge.simulator.state.access.sessions import Session
from bridge.simulator.state.entities import EVERYBODY, Entity, User
from bridge.simulator.state.founding import library
from bridge.simulator.state.tasks.tasks import Task


class Right(Flag):
    """What roles differ in here."""

    NONE = 0
    USE_VAPPS = auto()
    """Power, snapshots, metadata, properties, networks, deleting, sharing, copying."""
    CREATE_VAPPS = auto()
    """Compose, instantiate, recompose, virtual hardware, disks, affinity rules."""
    VIEW_CATALOGS = auto()
    CHANGE_CATALOGS = auto()
    ADMINISTER = auto()
    """Everything in one's organization: other people's vApps, paths below /admin."""


_AUTHOR = Right.USE_VAPPS | Right.CREATE_VAPPS | Right.VIEW_CATALOGS
_ALL = _AUTHOR | Right.CHANGE_CATALOGS | Right.ADMINISTER

RIGHTS: dict[str, Right] = {
    "System Administrator": _ALL,
    "Organization Administrator": _ALL,
    "Catalog Author": _AUTHOR | Right.CHANGE_CATALOGS,
    "vApp Author": _AUTHOR,
    "vApp User": Right.USE_VAPPS,
    "Console Access Only": Right.NONE,
}
"""By predefined role; any other role is taken for a vApp User's."""

_TO_SEE: dict[str, Right] = {
    "catalog": Right.VIEW_CATALOGS,
    "catalogItem": Right.VIEW_CATALOGS,
    "vAppTemplate": Right.VIEW_CATALOGS,
    "vmTemplate": Right.VIEW_CATALOGS,
    "media": Right.VIEW_CATALOGS,
    "vmAffinityRule": Right.CREATE_VAPPS,
    "edgeGateway": Right.ADMINISTER,
    "shadowVm": Right.ADMINISTER,
    "orgAssociation": Right.ADMINISTER,
    "user": Right.ADMINISTER,
    "group": Right.ADMINISTER,
    "role": Right.ADMINISTER,
}
"""What it takes to see a kind; other kinds are seen by every member of the organization."""

_OWNED = frozenset({"vApp", "vm", "disk"})
"""Kinds of which one who does not administer sees his own and those that are shared with him."""

_CHANGING = frozenset({"Change", "FullControl"})
"""Access levels that let others than the owner change (AccessSettingType of the VCD API); ReadOnly does not."""

_NEEDS: tuple[tuple[re.Pattern[str], Right], ...] = (
    (re.compile(r"/task"), Right.NONE),
    (re.compile(r"/captureVApp$"), Right.CREATE_VAPPS),
    (re.compile(r"/admin/|/shadowVm/|/org/|/vmGroups|DELETE /vdc/"), Right.ADMINISTER),
    (re.compile(r"/catalog|/vAppTemplate/|/media/|/vdc/.*/(uploadVAppTemplate|cloneVAppTemplate|cloneMedia|media)$"),
     Right.CHANGE_CATALOGS),
    (re.compile(r"/vdc/.*/cloneVApp$|/vApp/[^/]+(/(power|media|metadata).*"
                r"|/action/(deploy|undeploy|discardSuspendedState|createSnapshot|removeAllSnapshots"
                r"|revertToCurrentSnapshot|installVMwareTools|check[A-Za-z]*Compliance)"
                r"|/(networkConnection|guestCustomization|leaseSettings|startup)Section|/productSections)?$"),
     Right.USE_VAPPS),
)  # fmt: skip
"""The right that an operation takes, by the first pattern that is found in its method and path; else CREATE_VAPPS."""

_PROVIDERS_OWN = re.compile(
    r"/vdcsparams$|(PUT|DELETE) /admin/vdc/\{id\}$|/edgeGateways$|DELETE /admin/edgeGateway/|/vdcStorageProfiles$"
)
"""Operations outside the provider's paths that are his all the same: vDCs, their storage, edge gateways as such."""

_PROVIDER_PATHS = ("/api/admin/extension", "/api/admin/orgs", "/api/site")
_ADMIN_PATHS = "/api/admin"
_PEOPLE = re.compile(
    r"/api/admin/(.*/)?(user|group|role|right|rightsBundle)s?(/|$)"
    r"|/cloudapi/[^/]+/(users|groups|roles|globalRoles|rights|rightsBundles|tokens|serviceAccounts|deviceLookup)(/|$)"
    r"|/oauth/(.*)/register$"
)


def rights_of(user: User) -> Right:
    return RIGHTS.get(user.role, Right.USE_VAPPS)


def reaches(session: Session, method: str, path: str) -> bool:
    """Whether a path is for such a session at all, whatever is there."""
    if path.startswith(_PROVIDER_PATHS) and not session.is_provider:
        return False
    if path.startswith(_ADMIN_PATHS) and Right.ADMINISTER not in rights_of(session.user):
        return False
    return not (session.is_restricted and method not in ("GET", "HEAD") and _PEOPLE.match(path))


def sees(user: User, tenant: Entity | None, entity: Entity) -> bool:
    """``tenant``: the organization whose context a provider has put himself into."""
    if entity.kind.name == "right":
        return Right.ADMINISTER in rights_of(user)
    if user.is_provider:
        return tenant is None or entity.organization is tenant or entity.kind.provider_only
    held = rights_of(user)
    if entity.organization is not user.org or entity.kind.provider_only:
        return Right.VIEW_CATALOGS in held and library.is_shared_with(entity, user.org)
    if Right.ADMINISTER in held:
        return True
    if entity.kind.name in _OWNED:
        return _access(user, entity) is not None
    if entity.kind.name == "vdc":
        return EVERYBODY in entity.shared or user.entity.uuid in entity.shared
    return _TO_SEE.get(entity.kind.name, Right.NONE) in held or entity is user.entity


def sees_task(user: User, task: Task) -> bool:
    """Administrators see all Tasks of their organization, others what they started and what is about what they see."""
    if user.is_provider or task.user is user:
        return True
    return task.org is user.org and (Right.ADMINISTER in rights_of(user) or sees(user, None, task.owner))


def may(user: User, operation: Operation, entity: Entity | None) -> bool:
    """Whether an operation of the catalogue is allowed on an entity that is seen; None: on none in particular."""
    held, asked = rights_of(user), f"{operation.method} {operation.path}"
    if entity is not None and _is_foreign(user, entity):
        return False
    if not user.is_provider and _PROVIDERS_OWN.search(asked):
        return False
    if Right.ADMINISTER in held:
        return True
    needed = next((right for pattern, right in _NEEDS if pattern.search(asked)), Right.CREATE_VAPPS)
    return needed in held and (entity is None or may_change(user, entity))


def may_change(user: User, entity: Entity) -> bool:
    """Whether the way in which an entity is shared lets a user change it."""
    if _is_foreign(user, entity):
        return False
    if entity.kind.name not in _OWNED or Right.ADMINISTER in rights_of(user):
        return True
    return _access(user, entity) in _CHANGING


def _is_foreign(user: User, entity: Entity) -> bool:
    """Another organization's: what is shared of it can be seen and copied, never changed."""
    return not user.is_provider and entity.organization is not user.org


def _access(user: User, entity: Entity) -> str | None:
    """The access level of one who does not administer; a VM is its vApp's, also in this."""
    top = entity
    while top.parent is not None and top.parent.kind.name in _OWNED:
        top = top.parent
    if top.owner is user.entity:
        return "FullControl"
    return top.shared.get(user.entity.uuid) or top.shared.get(EVERYBODY)
