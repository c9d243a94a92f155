"""create, update and delete: a resource is checked, stamped, indexed and only then written, whole or not at all.

https://hl7.org/fhir/R4/http.html#create · #update · #delete
"""

import re
from collections.abc import Sequence
from typing import Any

from fhir_server import wire
from fhir_server.interactions import answer, claims, consequences
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.check import Checked as Checked
from fhir_server.interactions.check import check as check
from fhir_server.interactions.check import missing as missing
from fhir_server.interactions.check import require_references as require_references
from fhir_server.interactions.stamp import digest, stamped
from fhir_server.outcome import BadRequest, Conflict, MethodNotAllowed, PreconditionFailed
from fhir_server.server import Context
from fhir_server.store import Put, Stored, VersionConflict, last_updated

Json = dict[str, Any]
Key = tuple[str, str]

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
ATTEMPTS = 8  # how often an update without If-Match yields to others before it gives up


def put(
    ctx: Context, resource: Json, id: str, superseded: Stored | None, method: str, claimed: Sequence[str] = ()
) -> Put:
    """Return the write that makes `resource` the version after `superseded`.

    It holds `claimed`, and of what the superseded version claims all that is still true of it.
    """
    sequence = ctx.server.clock.next(ctx.now, after=superseded.sequence if superseded else 0)
    version = superseded.version + 1 if superseded else 1
    type = resource["resourceType"]
    written = stamped(resource, id, version, last_updated(sequence))
    index = ctx.server.indexer.index(written)
    return Put(
        new=Stored(type, id, version, sequence, wire.dumps(written), digest({**resource, "id": id}), method),
        superseded=superseded,
        entries=index.entries,
        claims=tuple(
            dict.fromkeys(
                (
                    *claims.kept(superseded.claims if superseded else (), index.entries),
                    *claims.begun(claimed, index.entries),
                )
            )
        ),
        patient=index.patient,
    )


def unchanged(ctx: Context, resource: Json, id: str, superseded: Stored | None) -> bool:
    """Return whether to store `resource` would change nothing, and the settings want no version of that."""
    if superseded is None or superseded.raw is None or ctx.server.settings.identical_update:
        return False
    return superseded.digest == digest({**resource, "id": id})


def tombstone(ctx: Context, superseded: Stored) -> Put:
    """Return the write that deletes the resource whose current version is `superseded`."""
    sequence = ctx.server.clock.next(ctx.now, after=superseded.sequence)
    deleted = Stored(superseded.type, superseded.id, superseded.version + 1, sequence, None, None, "DELETE")
    return Put(new=deleted, superseded=superseded)


async def commit(ctx: Context, puts: Sequence[Put]) -> None:
    """Store all `puts` and what follows from them, or nothing; raise what Store.commit raises.

    Certificates on a corrected record are withdrawn in the same transaction. One that is being issued at that very
    moment may not be seen by it: so this looks once more afterwards, and who issues looks at the records once more.
    """
    withdrawn = consequences.withdrawal(ctx, puts)
    if withdrawn is None:
        await ctx.server.store.commit(puts)
        return
    written = {(each.new.type, each.new.id) for each in puts}
    found = await consequences.documents(ctx, withdrawn, written)
    marks = [put(ctx, document, superseded.id, superseded, "PUT") for document, superseded in found]
    await ctx.server.store.commit([*puts, *marks], withdrawn=withdrawn)
    await ctx.server.store.register.withdraw(withdrawn)


async def create(ctx: Context, type: str, resource: Any) -> Answer:
    """Store a new resource under an id of the server's choice."""
    checked = check(ctx, type, resource)
    told = await require_references(ctx, checked)
    write = put(ctx, checked.resource, ctx.new_id(), None, "POST")
    await commit(ctx, [write])
    return answer.of(write.new, 201, location=True, issues=told)


async def update(
    ctx: Context, type: str, id: str, resource: Any, if_match: int | None, only_new: bool = False
) -> Answer:
    """Store the next version of a resource, or its first when the settings allow.

    `if_match` names the version seen; with `only_new` the resource must not exist yet (If-None-Match: *).
    """
    checked = check(ctx, type, with_own_id(resource, id))
    told = await require_references(ctx, checked, (type, id))
    for _ in range(ATTEMPTS):
        superseded = await ctx.server.store.read(type, id)
        require_version(superseded, type, id, if_match)
        require_new(superseded, only_new)
        require_update_create(ctx, superseded, type, id)
        if superseded and unchanged(ctx, checked.resource, id, superseded):
            return answer.of(superseded, 200, location=True, issues=told)
        write = put(ctx, checked.resource, id, superseded, "PUT")
        try:
            await commit(ctx, [write])
        except VersionConflict:
            continue  # somebody else was first: read again, and let If-Match decide
        return answer.of(write.new, 200 if superseded and superseded.raw else 201, location=True, issues=told)
    raise contended(type, id)


async def delete(ctx: Context, type: str, id: str, if_match: int | None) -> Answer:
    """Delete a resource: its current version says so, its history stays; deleting twice is no error."""
    for _ in range(ATTEMPTS):
        superseded = await ctx.server.store.read(type, id)
        require_version(superseded, type, id, if_match)
        if superseded is None or superseded.raw is None:
            return Answer(204, version=superseded.version if superseded else None)
        write = tombstone(ctx, superseded)
        try:
            await commit(ctx, [write])
        except VersionConflict:
            continue
        return Answer(204, version=write.new.version, last_modified=write.new.last_updated)
    raise contended(type, id)


def with_id(resource: Any, id: str) -> Any:
    """Return `resource` with the id that the address names; raise BadRequest when it has another one."""
    if not ID.fullmatch(id):
        raise BadRequest(
            f"'{id[:80]}' is not an id: 1 to 64 letters, digits, '-' or '.'",
            f"'{id[:80]}' không phải id hợp lệ: 1 đến 64 chữ cái, chữ số, '-' hoặc '.'",
        )
    if isinstance(resource, dict) and resource.get("id", id) != id:
        raise BadRequest(
            f"The address says id '{id}', the resource '{str(resource['id'])[:80]}': make them equal",
            f"Địa chỉ ghi id '{id}' nhưng tài nguyên ghi '{str(resource['id'])[:80]}': hãy để giống nhau",
            expression="id",
        )
    return resource


def with_own_id(resource: Any, id: str) -> Any:
    """Return `resource`, which names the id that the address of an update names; raise BadRequest when it has none.

    https://hl7.org/fhir/R4/http.html#update: a body without its id is refused like one with another id.
    """
    if isinstance(resource, dict) and "id" not in resource:
        raise BadRequest(
            f'The resource of an update has its id: add "id": "{id[:80]}", as in the address',
            f'Tài nguyên khi cập nhật phải có id: hãy thêm "id": "{id[:80]}" như trong địa chỉ',
            expression="id",
        )
    return with_id(resource, id)


def require_version(superseded: Stored | None, type: str, id: str, if_match: int | None) -> None:
    """Raise PreconditionFailed when the current version is not the one that the client has seen."""
    if if_match is None or (superseded is not None and superseded.version == if_match):
        return
    found = f"version {superseded.version}" if superseded else "nothing"
    raise PreconditionFailed(
        f"If-Match says version {if_match} of {type}/{id}, but {found} is current: read it again, then decide",
        f"If-Match ghi phiên bản {if_match} của {type}/{id} nhưng bản hiện hành khác: hãy đọc lại rồi quyết định",
    )


def require_new(superseded: Stored | None, only_new: bool) -> None:
    """Raise PreconditionFailed when the client sent If-None-Match: * and the resource exists."""
    if only_new and superseded is not None and superseded.raw is not None:
        name = f"{superseded.type}/{superseded.id}"
        raise PreconditionFailed(
            f"If-None-Match: * asks that {name} does not exist, but it does: leave the header out to update it",
            f"If-None-Match: * yêu cầu {name} chưa tồn tại nhưng đã có: hãy bỏ tiêu đề này để cập nhật",
        )


def require_update_create(ctx: Context, superseded: Stored | None, type: str, id: str) -> None:
    """Raise MethodNotAllowed when the update would create a resource and the settings forbid it."""
    if superseded is None and not ctx.server.settings.update_create:
        raise MethodNotAllowed(
            f"{type}/{id} does not exist, and this server gives ids itself: use POST {type}",
            f"{type}/{id} không tồn tại và máy chủ tự cấp id: hãy dùng POST {type}",
        )


def contended(type: str, id: str) -> Conflict:
    """Return the error for a resource that others kept changing."""
    return Conflict(
        f"{type}/{id} is being changed by others at this moment: try again, or use If-Match",
        f"{type}/{id} đang được nơi khác thay đổi: hãy thử lại, hoặc dùng If-Match",
    )
