"""The objects that a simulated Cloud Director can be asked for by reference."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.core.answers import ReferenceAbsent, ReferenceKind, ReferenceRead

_COLLECTIONS = {"org": "org", "user": "admin/user", "vm": "vApp/vm-", "vapp": "vApp/vapp-", "vdc": "vdc"}


@dataclass(slots=True)
class References:
    """Known objects, each found under every name that the gateway's port allows for its kind."""

    known: dict[tuple[ReferenceKind, str | None], ReferenceRead] = field(default_factory=dict)

    def add(self, word: str, uuid: str, name: str, *, own: bool = False) -> ReferenceRead:
        """Make an object known. ``word``: org, user, vm, vapp or vdc; ``own``: it is the bridge's own user."""
        collection = _COLLECTIONS[word]
        href = f"https://vcd/api/{collection}{'' if collection.endswith('-') else '/'}{uuid}"
        urn, media = f"urn:vcloud:{word}:{uuid}", f"application/vnd.vmware.vcloud.{word}+json"
        read = ReferenceRead({"href": href, "id": urn, "type": media, "name": name}, uuid)
        names: dict[ReferenceKind, list[str | None]] = {ReferenceKind.OWNER: [urn, href]}
        if word == "org":
            names[ReferenceKind.ORGANIZATION] = [name, uuid, urn, href]
        if word == "user":
            names[ReferenceKind.USER] = [urn, href, *([None] if own else [])]
        for kind, texts in names.items():
            self.known.update({(kind, text): read for text in texts})
        return read

    def read(self, kind: ReferenceKind, text: str | None) -> ReferenceRead | ReferenceAbsent:
        return self.known.get((kind, text)) or ReferenceAbsent(f"{kind} {text}: not found (HTTP 403)")
