"""Conditional create, update and delete: what is written depends on what a search finds, also while others write.

https://hl7.org/fhir/R4/http.html#ccreate · #cond-update · #3.1.0.7.1 · #cread — docs/decisions/0012-claims.md

Who finds something writes on condition that it still is the version found. Who finds nothing writes with a claim to the
condition: of several who find nothing at the same moment, one gets it, and the others search again.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_server.interactions import answer, claims, meanings, search, write
from fhir_server.interactions.answer import Answer
from fhir_server.outcome import BadRequest, Conflict, PreconditionFailed
from fhir_server.search import plan
from fhir_server.search import query as reading
from fhir_server.server import Context
from fhir_server.store import ClaimTaken, Put, Stored, VersionConflict

Params = tuple[tuple[str, str], ...]

CHUNK = 200  # conditions that one query answers
TOGETHER = 16  # queries under way for one transaction
# What says how an answer is written is no part of a condition.
ELSEWHERE = frozenset({"_format", "_pretty"})
# What shapes a page of results is a mistake in one.
SHAPING = frozenset({"_sort", "_count", "_include", "_revinclude", "_total", "_summary", "_elements", "_cursor"})


@dataclass(frozen=True, slots=True)
class Condition:
    """Search parameters that name at most one resource of `type`."""

    type: str
    params: Params
    claim: str  # the same for all ways to write the same condition
    entry: str | None  # the one index entry that satisfies it; None: only a search can tell


@dataclass(frozen=True, slots=True)
class Unless:
    """A read that is only worth answering when the resource has changed (https://hl7.org/fhir/R4/http.html#cread)."""

    versions: frozenset[str] | None = None  # of If-None-Match; "*" is every version
    since: datetime | None = None  # of If-Modified-Since; does not count beside If-None-Match


async def condition(ctx: Context, type: str, params: Params) -> Condition:
    """Return the condition that `params` say; raise BadRequest when there is none, or the search cannot be made."""
    wanted = tuple(pair for pair in params if pair[0] not in ELSEWHERE)
    if misplaced := [name for name, _ in wanted if name.partition(":")[0] in SHAPING]:
        raise BadRequest(
            f"{misplaced[0][:64]} has no place in a condition: give search parameters only",
            f"{misplaced[0][:64]} không dùng được trong điều kiện: chỉ gửi tham số tìm kiếm",
        )
    # Never lenient: to leave out a parameter that is not known would choose other resources than the client means.
    query = reading.parse(await meanings.catalogue(ctx, wanted), type, wanted, now=ctx.now)
    steps = plan.plan(query, ctx.server.indexer.catalogue)
    if not steps.terms:
        raise BadRequest(
            f"The condition is empty: give search parameters, such as {type}?identifier=system|value",
            f"Điều kiện trống: hãy gửi tham số tìm kiếm, ví dụ {type}?identifier=hệ thống|giá trị",
        )
    return Condition(type, wanted, claims.claim(steps), claims.only_entry(steps))


async def matches(ctx: Context, wanted: Condition, limit: int = 2) -> list[Stored]:
    """Return up to `limit` resources that satisfy the condition."""
    return await search.matches(ctx, wanted.type, list(wanted.params), limit)


async def resolve(ctx: Context, conditions: Collection[Condition]) -> dict[Condition, list[Stored]]:
    """Return up to two matches of each condition, many conditions a query where they ask for one index entry."""
    waiting = asyncio.Semaphore(TOGETHER)
    found: dict[Condition, list[Stored]] = {}
    by_type: dict[str, list[Condition]] = {}
    for each in set(conditions):
        by_type.setdefault(each.type if each.entry else "", []).append(each)

    async def alone(wanted: Condition) -> None:
        async with waiting:
            found[wanted] = await matches(ctx, wanted)

    async def together(type: str, chunk: Sequence[Condition]) -> None:
        entries = {each.entry: each for each in chunk}
        limit = 2 * len(chunk) + 1
        async with waiting:
            rows = await ctx.server.store.find(type, {"ix": {"$in": list(entries)}}, limit=limit, entries=True)
        if len(rows) == limit:  # some of them have so many matches that others may be cut off
            await asyncio.gather(*(alone(each) for each in chunk))
            return
        found.update({each: [] for each in chunk})
        for row in rows:
            for entry in entries.keys() & set(row.entries):
                found[entries[entry]].append(row.stored)

    tasks = [alone(each) for each in by_type.pop("", ())]
    for type, several in by_type.items():
        unique = list({each.entry: each for each in several}.values())
        tasks += [together(type, unique[start : start + CHUNK]) for start in range(0, len(unique), CHUNK)]
    await asyncio.gather(*tasks)
    # Two conditions that ask for the same entry, each written in its own way, were one question.
    by_entry = {(each.type, each.entry): rows for each, rows in found.items()}
    return {each: found[each] if each in found else by_entry[each.type, each.entry] for each in conditions}


def one(wanted: Condition, found: Sequence[Stored]) -> Stored | None:
    """Return the only match, None when there is none; raise PreconditionFailed when there are several."""
    if len(found) > 1:
        raise too_many(wanted)
    return found[0] if found else None


def too_many(wanted: Condition) -> PreconditionFailed:
    """Return the error for a condition that is not selective enough."""
    return PreconditionFailed(
        f"Several {wanted.type} resources match the condition: make it narrower, or name one by its id",
        f"Nhiều tài nguyên {wanted.type} khớp điều kiện: hãy thu hẹp điều kiện, hoặc nêu id",
    )


def news(current: Answer, unless: Unless | None) -> Answer:
    """Return `current`, or 304 and no body when the client has that version already."""
    if unless is None:
        return current
    if unless.versions is not None:
        known = "*" in unless.versions or str(current.version) in unless.versions
    else:
        known = unless.since is not None and current.last_modified is not None and current.last_modified <= unless.since
    return Answer(304, None, current.version, current.last_modified) if known else current


async def create(ctx: Context, type: str, resource: Any, params: Params) -> Answer:
    """Store a new resource unless there is one that satisfies the condition: then that one is the answer."""
    wanted = await condition(ctx, type, params)
    checked = write.check(ctx, type, resource)
    await write.require_references(ctx, checked)
    claimed = [wanted.claim]
    for _ in range(write.ATTEMPTS):
        if existing := one(wanted, await matches(ctx, wanted)):
            return answer.of(existing, 200, location=True)
        new = write.put(ctx, checked.resource, ctx.new_id(), None, "POST", claimed)
        if await _written(ctx, new, claimed):
            return answer.of(new.new, 201, location=True)
    raise contended(wanted)


async def update(
    ctx: Context, type: str, resource: Any, params: Params, if_match: int | None, only_new: bool = False
) -> Answer:
    """Store the next version of the resource that satisfies the condition, or a new one when none does."""
    wanted = await condition(ctx, type, params)
    checked = write.check(ctx, type, resource)
    await write.require_references(ctx, checked, (type, str(resource.get("id"))))
    claimed = [wanted.claim]
    for _ in range(write.ATTEMPTS):
        found = one(wanted, await matches(ctx, wanted))
        id, superseded = await place(ctx, wanted, checked.resource, found)
        write.require_version(superseded, type, id, if_match)
        write.require_new(superseded, only_new)
        if superseded and write.unchanged(ctx, checked.resource, id, superseded):
            return answer.of(superseded, 200, location=True)
        new = write.put(ctx, checked.resource, id, superseded, "PUT", () if found else claimed)
        if await _written(ctx, new, claimed):
            return answer.of(new.new, 200 if found else 201, location=True)
    raise contended(wanted)


async def place(
    ctx: Context, wanted: Condition, resource: dict[str, Any], found: Stored | None
) -> tuple[str, Stored | None]:
    """Return the id that a conditional update writes to and the version that it supersedes.

    Raise BadRequest when the resource has another id than the match, Conflict when it has that of one that is no match.
    """
    own = resource.get("id")
    if found is not None:
        write.with_id(resource, found.id)
        return found.id, found
    if own is None:
        return ctx.new_id(), None
    current = await ctx.server.store.read(wanted.type, own)
    if current is not None and current.raw is not None:
        raise Conflict(
            f"{wanted.type}/{own} exists, but does not match the condition: correct the id or the condition",
            f"{wanted.type}/{own} đã tồn tại nhưng không khớp điều kiện: hãy sửa id hoặc điều kiện",
        )
    write.require_update_create(ctx, current, wanted.type, own)
    return own, current


async def delete(ctx: Context, type: str, params: Params, if_match: int | None = None) -> Answer:
    """Delete what satisfies the condition; raise PreconditionFailed when that is more than the settings allow.

    With `if_match` also when nothing does, or what does is of another version.
    """
    wanted = await condition(ctx, type, params)
    for _ in range(write.ATTEMPTS):
        tombstones = [write.tombstone(ctx, each) for each in await condemned(ctx, wanted, if_match)]
        try:
            await write.commit(ctx, tombstones)
        except VersionConflict:
            continue
        if len(tombstones) != 1:
            return Answer(204)
        return Answer(204, version=tombstones[0].new.version, last_modified=tombstones[0].new.last_updated)
    raise contended(wanted)


async def condemned(ctx: Context, wanted: Condition, if_match: int | None = None) -> list[Stored]:
    """Return what a conditional delete removes; raise PreconditionFailed when that is more than the settings allow.

    With `if_match` also when that is nothing, or of another version.
    """
    most = ctx.server.settings.max_delete
    found = await matches(ctx, wanted, most + 1)
    if len(found) > most:
        raise too_many(wanted)
    if if_match is not None and not found:
        raise PreconditionFailed(
            f"If-Match says version {if_match}, but no {wanted.type} matches the condition: nothing was deleted",
            f"If-Match ghi phiên bản {if_match} nhưng không có {wanted.type} nào khớp điều kiện: chưa xóa gì",
        )
    for each in found:
        write.require_version(each, each.type, each.id, if_match)
    return found


async def _written(ctx: Context, new: Put, claimed: list[str]) -> bool:
    """Return whether `new` is stored; when not, the condition must be looked at again, with what is in `claimed`."""
    try:
        await write.commit(ctx, [new])
    except VersionConflict:
        return False
    except ClaimTaken as taken:
        # A digest does not tell whether its holder satisfies the condition. If it does, the next search finds it;
        # if not, the claim is in nobody's way any more.
        if taken.claim.startswith("#"):
            claimed.clear()
        return False
    return True


def contended(wanted: Condition) -> Conflict:
    """Return the error for a condition whose matches others kept changing."""
    return Conflict(
        f"Others keep changing the {wanted.type} that the condition finds: try again",
        f"{wanted.type} khớp điều kiện đang được nơi khác thay đổi: hãy thử lại",
    )
