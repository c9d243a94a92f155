"""FHIR packages in the store: added and removed as a whole, their resources ordinary ones that everybody can read.

https://confluence.hl7.org/display/FHIR/NPM+Package+Specification

A resource's id is made from its canonical URL, so that packages whose resources have the same id do not collide; a tag
says which package and version it came with. Resources are written in commits of bounded size while no process takes up
definitions; the package is in force when its record says that it is complete.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from typing import Any, NamedTuple

from fhir_server import wire
from fhir_server.definitions.package import Package
from fhir_server.interactions import write
from fhir_server.knowledge import PACKAGE, package_of
from fhir_server.outcome import Conflict, Issue, NotFound, Unprocessable
from fhir_server.server import Context
from fhir_server.store import Member, Put, Record, Stored, VersionConflict

Json = dict[str, Any]
Key = tuple[str, str]  # resource type, id

CORE = "hl7.fhir.r4.core"
TOGETHER = 50  # resources in one commit
BYTES = 4 * 1024 * 1024  # of the resources in one commit
LEASE = 60  # seconds for which nobody else changes packages, unless renewed
ATTEMPTS = 8  # how often a commit is tried that others disturb
TOLD = 50  # issues in one answer
_SEPARATOR = re.compile(r"[^A-Za-z0-9.-]+")


class Added(NamedTuple):
    """What came of adding a package."""

    record: Record
    written: int  # resources that are new or changed
    left_out: int  # resources of the package that define nothing: examples
    removed: int  # resources of another version of the package


async def add(ctx: Context, package: Package, *, trusted: bool = False) -> Added:
    """Store `package` in place of any other version of it, and put it in force.

    Raise Conflict while another one is being changed, Unprocessable with every issue when it is none for R4 or holds
    invalid resources. A `trusted` package is one that is in force from files: its resources are not looked at, and they
    give way to what is stored in their place by others.
    """
    if not trusted:
        _require_not_shipped(ctx, package.name)
    _require_r4(package)
    resources, left_out = _defining(ctx, package)
    if not trusted:
        await asyncio.to_thread(_require_valid, ctx, resources.values())
    resources = {key: _tagged(package, resource) for key, resource in resources.items()}
    async with _changing(ctx) as owner:
        former = await ctx.server.store.packages.record(package.name)
        planned = {Member(type, id, 0) for type, id in resources}
        before = former.members if former else ()
        begun = _record(ctx, package, (*before, *planned), complete=former is not None and former.complete)
        await ctx.server.store.packages.keep(begun)
        members: list[Member] = []
        written = 0
        for part in _parts(resources):
            puts, kept = await _write(ctx, await _not_of_others(ctx, part, package.name) if trusted else part)
            written += len(puts)
            members += [Member(put.new.type, put.new.id, put.new.version) for put in puts]
            members += [Member(stored.type, stored.id, stored.version) for stored in kept]
            await ctx.server.store.processes.change(owner, LEASE)
        gone = await _delete(ctx, [each for each in before if (each.type, each.id) not in resources], package.name)
        record = _record(ctx, package, members)
        await ctx.server.store.packages.keep(record)
        await _give_back(ctx, gone, package.name)
    return Added(record, written, left_out, len(gone))


async def remove(ctx: Context, name: str, version: str | None = None) -> int:
    """Remove a package and those of its resources that nobody changed since; return their number.

    What it had taken over from another package is that one's again. Raise NotFound when it is not stored (in this
    version), Conflict while another one is being changed.
    """
    _require_not_shipped(ctx, name)
    async with _changing(ctx):
        record = await ctx.server.store.packages.record(name)
        if record is None or version not in {None, record.version}:
            label = name if version is None else f"{name}@{version}"
            raise NotFound(
                f"The package {label[:200]} is not stored: $package-list tells which are",
                f"Gói {label[:200]} chưa được lưu: $package-list cho biết các gói hiện có",
            )
        gone = await _delete(ctx, record.members, name)
        await ctx.server.store.packages.forget(name)
        await _give_back(ctx, gone, name)
    return len(gone)


@asynccontextmanager
async def _changing(ctx: Context) -> AsyncIterator[str]:
    """Yield the name under which nobody else changes packages; let all processes look at what is stored afterwards."""
    owner = ctx.new_id()
    if not await ctx.server.store.processes.change(owner, LEASE):
        raise Conflict(
            "Another package is being added or removed at this moment: try again when that is done",
            "Đang có gói khác được thêm hoặc gỡ: hãy thử lại sau khi xong",
        )
    try:
        yield owner
    finally:
        await ctx.server.store.processes.changed(owner)


def _require_not_shipped(ctx: Context, name: str) -> None:
    if name in ctx.server.live.sources.packages:
        raise Unprocessable(
            f"{name} ships with the server or is named in FHIR_PACKAGES: change it there. A package of another name "
            "whose canonical URLs are the same overrides it",
            f"{name} đi kèm máy chủ hoặc nằm trong FHIR_PACKAGES: hãy thay đổi tại đó. Gói tên khác có cùng URL "
            "canonical sẽ thay thế nó",
        )


def _require_r4(package: Package) -> None:
    if package.name == CORE:
        raise Unprocessable(
            f"{CORE} is part of the server: it is not added", f"{CORE} đã có sẵn trong máy chủ: không cần thêm"
        )
    if package.fhir_versions and not any(version.startswith("4.0") for version in package.fhir_versions):
        there_are = ", ".join(package.fhir_versions)[:80]
        raise Unprocessable(
            f"{package.name} is for FHIR {there_are}, this server speaks 4.0.1: add the package made for R4",
            f"{package.name} dành cho FHIR {there_are}, máy chủ này dùng 4.0.1: hãy thêm gói dành cho R4",
        )


def _defining(ctx: Context, package: Package) -> tuple[dict[Key, Json], int]:
    """Return the resources that define something, by type and id, and how many others there are."""
    found: dict[Key, Json] = {}
    left_out = 0
    for resource in package.resources:
        type = resource["resourceType"]
        if type not in ctx.server.definitions.resource_types or not (resource.get("url") or type == "NamingSystem"):
            left_out += 1
            continue
        id = identified(package, resource)
        if (type, id) in found:
            raise Unprocessable(
                f"{package.name} defines {type} {resource.get('url', id)} twice: nobody could tell which counts",
                f"{package.name} định nghĩa {type} {resource.get('url', id)} hai lần",
            )
        found[type, id] = {**resource, "id": id}
    if not found:
        raise Unprocessable(f"{package.name} defines nothing", f"{package.name} không có định nghĩa nào")
    return found, left_out


def identified(package: Package, resource: Json) -> str:
    """Return the id that a resource of `package` is stored under: its canonical URL in the characters of an id.

    `http://fhir.hl7.org.vn/core/StructureDefinition/vn-core-patient` gives `fhir.hl7.org.vn.core.vn-core-patient`.
    """
    type = resource["resourceType"]
    url = str(resource.get("url") or f"{package.canonical}/{type}/{resource.get('id', resource.get('name', ''))}")
    path = url.partition("://")[2] or url
    id = _SEPARATOR.sub(".", path.replace(f"/{type}/", "/")).strip(".")
    if len(id) > 64 or not id:
        id = f"{id[:47]}-{sha256(url.encode()).hexdigest()[:16]}"
    return id


def _tagged(package: Package, resource: Json) -> Json:
    meta = resource.get("meta", {})
    others = [tag for tag in meta.get("tag", ()) if tag.get("system") != PACKAGE]
    tag = {"system": PACKAGE, "code": f"{package.name}#{package.version}"}
    return {**resource, "meta": {**meta, "tag": [*others, tag]}}


def _require_valid(ctx: Context, resources: Iterable[Json]) -> None:
    """Raise Unprocessable with what is wrong with the structure of `resources`."""
    issues: list[Issue] = []
    for resource in resources:
        label = f"{resource['resourceType']} {resource.get('url', resource['id'])}"
        report = ctx.server.validator.validate(resource)
        issues += (
            issue._replace(en=f"{label}: {issue.en}", vi=f"{label}: {issue.vi}")
            for issue in report.issues
            if issue.severity in {"error", "fatal"}
        )
        if len(issues) > TOLD:
            break
    if issues:
        raise Unprocessable("The package has invalid resources", issues=issues[:TOLD])


def _record(ctx: Context, package: Package, members: Iterable[Member], complete: bool = True) -> Record:
    return Record(
        name=package.name,
        version=package.version,
        canonical=package.canonical,
        title=package.title,
        digest=package.digest,
        added=ctx.now,
        members=tuple(sorted(set(members))),
        complete=complete,
    )


def _parts(resources: dict[Key, Json]) -> Iterator[dict[Key, Json]]:
    """Yield `resources` in parts that one commit can hold."""
    part: dict[Key, Json] = {}
    size = 0
    for key, resource in resources.items():
        length = len(wire.dumps(resource))
        if part and (len(part) >= TOGETHER or size + length > BYTES):
            yield part
            part, size = {}, 0
        part[key] = resource
        size += length
    yield part


async def _not_of_others(ctx: Context, part: dict[Key, Json], name: str) -> dict[Key, Json]:
    """Return those of `part` in whose place is nothing, or what the package `name` wrote and nobody changed."""
    former = await ctx.server.store.packages.record(name)
    versions = {(each.type, each.id): each.version for each in former.members} if former else {}
    stored = await ctx.server.store.read_many(part)
    return {
        key: resource
        for key, resource in part.items()
        if (found := stored.get(key)) is None
        or found.raw is None
        or _is_own(found, Member(*key, versions.get(key, 0)), name)
    }


async def _write(ctx: Context, part: dict[Key, Json]) -> tuple[list[Put], list[Stored]]:
    """Store those of `part` that are new or changed; return what was written and what stayed as it was."""
    for _ in range(ATTEMPTS):
        stored = await ctx.server.store.read_many(part)
        same = [
            stored[key] for key, resource in part.items() if write.unchanged(ctx, resource, key[1], stored.get(key))
        ]
        known = {(each.type, each.id) for each in same}
        puts = [
            write.put(ctx, resource, key[1], stored.get(key), "PUT")
            for key, resource in part.items()
            if key not in known
        ]
        try:
            await write.commit(ctx, puts)
        except VersionConflict:
            continue
        return puts, same
    raise write.contended(*next(iter(part)))


async def _delete(ctx: Context, members: Sequence[Member], name: str) -> set[Key]:
    """Delete those of `members` that still are what the package `name` wrote; return which."""
    gone: set[Key] = set()
    for start in range(0, len(members), TOGETHER):
        part = members[start : start + TOGETHER]
        for _ in range(ATTEMPTS):
            stored = await ctx.server.store.read_many((each.type, each.id) for each in part)
            own = [found for each in part if (found := stored.get((each.type, each.id))) and _is_own(found, each, name)]
            try:
                await write.commit(ctx, [write.tombstone(ctx, found) for found in own])
            except VersionConflict:
                continue
            gone.update((found.type, found.id) for found in own)
            break
        else:
            raise write.contended(part[0].type, part[0].id)
    return gone


async def _give_back(ctx: Context, gone: set[Key], name: str) -> None:
    """Store again what other packages define in the place of `gone`; of several the one that was added last."""
    records = await ctx.server.store.packages.records() if gone else []
    for record in sorted(records, key=lambda each: each.added, reverse=True):
        theirs = [each for each in record.members if (each.type, each.id) in gone and record.name != name]
        versions = {(each.type, each.id): each.version for each in theirs}
        found = [await ctx.server.store.vread(*key, version) for key, version in versions.items()]
        resources = {(each.type, each.id): _unstamped(each.raw) for each in found if each and each.raw is not None}
        for part in _parts(resources) if resources else ():
            puts, _ = await _write(ctx, part)
            versions |= {(put.new.type, put.new.id): put.new.version for put in puts}
        gone = gone - resources.keys()
        if resources:
            members = (
                each._replace(version=versions.get((each.type, each.id), each.version)) for each in record.members
            )
            await ctx.server.store.packages.keep(replace(record, members=tuple(members)))


def _unstamped(raw: bytes) -> Json:
    """Return a stored version as it was sent."""
    resource: Json = wire.loads(raw)
    meta = {name: value for name, value in resource["meta"].items() if name not in {"versionId", "lastUpdated"}}
    return {**resource, "meta": meta}


def _is_own(stored: Stored, member: Member, name: str) -> bool:
    """Return whether `stored` is the version that the package wrote, and no other one has taken it over."""
    if stored.raw is None or member.version not in {0, stored.version}:
        return False
    return package_of(wire.loads(stored.raw)) == name
