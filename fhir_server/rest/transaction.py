"""A transaction Bundle: understood and checked as a whole, written in one commit, answered in the order it came.

https://hl7.org/fhir/R4/http.html#trules
"""

import asyncio
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping
from typing import Any

from fhir_server.interactions import answer as answers
from fhir_server.interactions import conditional, patch, read, write
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.conditional import Condition
from fhir_server.outcome import BadRequest, FhirError, Issue, Unprocessable, outcome
from fhir_server.rest import room
from fhir_server.rest.bundle import (
    Authorise,
    Dispatch,
    answered,
    is_head,
    locate,
    located,
    read_entry,
    response,
    response_bundle,
)
from fhir_server.rest.entries import Entry, Key, Target
from fhir_server.rest.interaction import (
    Bundle,
    Capabilities,
    ConditionalDelete,
    ConditionalPatch,
    ConditionalUpdate,
    Create,
    Delete,
    History,
    Invoke,
    Patch,
    Read,
    Search,
    Stores,
    Update,
    VRead,
)
from fhir_server.rest.linking import linked
from fhir_server.server import Context
from fhir_server.store import ClaimTaken, Put, Stored, VersionConflict
from fhir_server.validation.report import root

Json = dict[str, Any]

TURN = 4  # resources, of some 0.4 ms each


async def transaction(ctx: Context, entries: list[Json], dispatch: Dispatch, authorise: Authorise) -> Answer:
    """Perform all entries or none; raise the FhirError that names the entry in the way."""
    understood = [await _understand(ctx, entry, position) for position, entry in enumerate(entries)]
    for entry in understood:
        authorise(ctx, entry.interaction)
    _require_distinct_urls(understood)
    rehearsed = False
    released: set[str] = set()  # claims whose holder does not satisfy the condition
    for _ in range(write.ATTEMPTS):
        targets = await _targets(ctx, understood, released)
        _require_distinct(targets)
        resources, told = await linked(ctx, targets)
        checked = await _check(ctx, targets, resources)
        found = await _require_references(ctx, targets, checked)
        if not rehearsed:
            await _rehearse(ctx, targets, room.within(dispatch))
            rehearsed = True
        writes: dict[int, list[Put]] = {}
        for number, target in enumerate(targets):
            await _turn(number)
            writes[target.entry.position] = _puts(ctx, target, checked, told)
        try:
            await write.commit(ctx, [put for puts in writes.values() for put in puts])
        except VersionConflict as conflict:
            last = conflict.type, conflict.id
        except ClaimTaken as taken:
            last = taken.type, taken.id
            if taken.claim.startswith("#"):
                released.add(taken.claim)
        else:
            dispatch = room.within(dispatch)
            responses = [
                await _response(ctx, target, writes[target.entry.position], dispatch, found[target.entry.position])
                for target in targets
            ]
            return Answer(200, response_bundle("transaction-response", responses))
    raise write.contended(*last)


async def _understand(ctx: Context, entry: Any, position: int) -> Entry:
    interaction = read_entry(ctx, entry, position)
    full_url = entry.get("fullUrl")
    if not isinstance(full_url, str | None):
        at = f"Bundle.entry[{position}].fullUrl"
        raise BadRequest(f"{at} is a URI", f"{at} phải là URI", (), at)
    key: Key | None = None
    condition: Condition | None = None
    at = f"Bundle.entry[{position}].request"
    try:
        match interaction:
            case Create(type, _, params):
                key = (type, ctx.new_id())
                condition = None if params is None else await conditional.condition(ctx, type, params)
            case ConditionalUpdate(type, params) | ConditionalPatch(type, params) | ConditionalDelete(type, params):
                condition = await conditional.condition(ctx, type, params)
            case Update(type, id) | Patch(type, id) | Delete(type, id):
                key = (type, id)
            case Invoke(reads=False) | Bundle():
                raise BadRequest(
                    f"{at}: only operations called with GET are performed in a transaction, call others on their own",
                    f"{at}: giao dịch chỉ thực hiện thao tác (operation) gọi bằng GET, hãy gọi riêng thao tác khác",
                )
            case Read() | VRead() | History() | Search() | Capabilities() | Invoke():
                pass
    except FhirError as error:
        raise located(error, position, at=at) from None
    return Entry(position, interaction, full_url, is_head(entry), key, condition)


async def _targets(ctx: Context, entries: list[Entry], released: set[str]) -> list[Target]:
    """Return what each entry writes as the database is now: one query for all ids of a type, few for all conditions."""
    keys = [entry.key for entry in entries if entry.key and not isinstance(entry.interaction, Create)]
    current = await ctx.server.store.read_many(keys)
    found = await conditional.resolve(
        ctx,
        {each.condition for each in entries if each.condition and not isinstance(each.interaction, ConditionalDelete)},
    )
    targets = []
    for entry in entries:
        try:
            targets.append(await _target(ctx, entry, current, found, released))
        except FhirError as error:
            raise located(error, entry.position, at=entry.at) from None
    return targets


async def _target(
    ctx: Context,
    entry: Entry,
    current: Mapping[Key, Stored],
    found: Mapping[Condition, list[Stored]],
    released: set[str],
) -> Target:
    wanted = entry.condition
    if isinstance(entry.interaction, Patch):
        return Target(entry, entry.key, await read.current(ctx, entry.interaction.type, entry.interaction.id))
    if wanted is None:
        return Target(entry, entry.key, current.get(entry.key) if entry.key else None)
    if isinstance(entry.interaction, ConditionalDelete):
        return Target(entry, removed=tuple(await conditional.condemned(ctx, wanted, entry.interaction.if_match)))
    if isinstance(entry.interaction, ConditionalPatch):
        match = patch.only(wanted, found[wanted])
        return Target(entry, (match.type, match.id), match)
    only = conditional.one(wanted, found[wanted])
    claims = () if only or wanted.claim in released else (wanted.claim,)
    if isinstance(entry.interaction, Create):
        if only:
            return Target(entry, (only.type, only.id), only, exists=True)
        return Target(entry, entry.key, claims=claims)
    assert isinstance(entry.interaction, ConditionalUpdate)
    resource = entry.interaction.resource
    resource = resource if isinstance(resource, dict) else {}
    id, superseded = await conditional.place(ctx, wanted, resource, only)
    return Target(entry, (wanted.type, id), superseded, claims=claims)


def _require_distinct_urls(entries: list[Entry]) -> None:
    seen: dict[str, int] = {}
    for entry in entries:
        if entry.full_url is None or not isinstance(entry.interaction, Stores | Delete):
            continue
        if entry.full_url in seen:
            raise _overlap(seen[entry.full_url], entry.position, entry.full_url)
        seen[entry.full_url] = entry.position


def _require_distinct(targets: list[Target]) -> None:
    """Raise BadRequest when two entries speak for the same resource, or would store the same one twice."""
    seen: dict[Any, Target] = {}
    for target in targets:
        if not isinstance(target.entry.interaction, Stores | Delete | ConditionalDelete):
            continue
        for name in (*target.keys, *target.claims):
            other = seen.setdefault(name, target)
            if other is not target and not (other.exists and target.exists):
                shown = "/".join(name) if isinstance(name, tuple) else "the same condition"
                raise _overlap(other.entry.position, target.entry.position, shown)


def _overlap(one: int, other: int, name: str) -> BadRequest:
    return BadRequest(
        f"Entries {one} and {other} both speak for {name[:128]}: a transaction writes each resource once",
        f"Mục {one} và {other} cùng ghi {name[:128]}: mỗi tài nguyên chỉ ghi một lần trong giao dịch",
        (),
        f"Bundle.entry[{other}]",
    )


async def _turn(number: int) -> None:
    """Let other requests have their turn now and then: a thousand resources are checked for half a second."""
    if number % TURN == TURN - 1:
        await asyncio.sleep(0)


async def _check(ctx: Context, targets: list[Target], resources: dict[int, Any]) -> dict[int, write.Checked]:
    """Validate every resource to be written; raise one Unprocessable with the issues of all."""
    checked: dict[int, write.Checked] = {}
    issues: list[Issue] = []
    for number, target in enumerate(targets):
        await _turn(number)
        position = target.entry.position
        if position not in resources or target.key is None:
            continue
        type, id = target.key
        resource = resources[position]
        try:
            if isinstance(target.entry.interaction, Update):
                resource = write.with_own_id(resource, id)
            elif not isinstance(target.entry.interaction, Create):
                resource = write.with_id(resource, id)
            checked[position] = write.check(ctx, type, resource)
        except FhirError as error:
            issues += (locate(issue, position) for issue in error.issues)
    if issues:
        raise Unprocessable("The transaction has invalid resources", issues=issues)
    return checked


async def _require_references(
    ctx: Context, targets: list[Target], checked: dict[int, write.Checked]
) -> Mapping[int, tuple[Issue, ...]]:
    """Return what was found in each entry and refuses nothing; raise Unprocessable when an answer is no, and an error.

    All questions are asked together, and the issues come back by their places.
    """
    written = {
        target.key: checked[target.entry.position].resource if target.entry.position in checked else None
        for target in targets
        if target.key and isinstance(target.entry.interaction, Stores)
    }
    questions = [
        question._replace(at=root(locate(Issue("error", "", "", "", question.expression), position).expression or ""))
        for position, found in checked.items()
        for question in found.questions
    ]
    issues = await write.missing(ctx, questions, written)
    if any(issue.severity == "error" for issue in issues):
        raise Unprocessable("References of the transaction lead to nothing", issues=issues)
    told = defaultdict(tuple, {at: tuple(locate(each, at) for each in found.issues) for at, found in checked.items()})
    for issue in issues:
        position = int((issue.expression or "").removeprefix("Bundle.entry[").partition("]")[0])
        told[position] += (issue,)
    return told


async def _rehearse(ctx: Context, targets: list[Target], dispatch: Dispatch) -> None:
    """Perform the reads and searches once before anything is written, so that one that fails fails the whole."""
    written = {key for target in targets for key in target.keys}
    for entry in (target.entry for target in targets if _reads(target.entry)):
        asked = entry.interaction
        if not (isinstance(asked, Read | History) and (asked.type, asked.id) in written):
            try:
                await dispatch(ctx, asked)
            except FhirError as error:
                raise located(error, entry.position, at=entry.at) from None


def _reads(entry: Entry) -> bool:
    return entry.key is None and entry.condition is None


def _puts(ctx: Context, target: Target, checked: Mapping[int, write.Checked], told: Container[str]) -> list[Put]:
    """Return the writes of an entry: several for a conditional delete, none when there is nothing to do.

    Of a resource in `told` a version is made even when nothing changes.
    """
    try:
        return list(_each_put(ctx, target, checked, told))
    except FhirError as error:
        raise located(error, target.entry.position, at=target.entry.at) from None


def _each_put(
    ctx: Context, target: Target, checked: Mapping[int, write.Checked], told: Container[str]
) -> Iterator[Put]:
    old = target.superseded
    match target.entry.interaction:
        case Delete(type, id, if_match):
            write.require_version(old, type, id, if_match)
            if old and old.raw is not None:
                yield write.tombstone(ctx, old)
        case ConditionalDelete():
            for each in target.removed:
                yield write.tombstone(ctx, each)
        case Create() if not target.exists and target.key:
            resource = checked[target.entry.position].resource
            yield write.put(ctx, resource, target.key[1], None, "POST", target.claims)
        case Update(if_match=if_match, only_new=only_new) | ConditionalUpdate(if_match=if_match, only_new=only_new):
            assert target.key is not None
            type, id = target.key
            resource = checked[target.entry.position].resource
            write.require_version(old, type, id, if_match)
            write.require_new(old, only_new)
            if isinstance(target.entry.interaction, Update):
                write.require_update_create(ctx, old, type, id)
            if f"{type}/{id}" in told or not write.unchanged(ctx, resource, id, old):
                yield write.put(ctx, resource, id, old, "PUT", target.claims)
        case Patch(if_match=if_match) | ConditionalPatch(if_match=if_match):
            assert old is not None
            resource = checked[target.entry.position].resource
            write.require_version(old, old.type, old.id, if_match)
            if f"{old.type}/{old.id}" in told or not write.unchanged(ctx, resource, old.id, old):
                yield write.put(ctx, resource, old.id, old, "PATCH")
        case _:
            pass


async def _response(
    ctx: Context, target: Target, puts: list[Put], dispatch: Dispatch, found: tuple[Issue, ...]
) -> bytes:
    """Return the response of one entry; reads and searches are performed now, after the writes."""
    asked = target.entry.interaction
    if _reads(target.entry):
        try:
            return answered(ctx, asked, await dispatch(ctx, asked), head=target.entry.head)
        except FhirError as error:  # what was rehearsed has gone since, or the transaction itself deleted it
            return response(error.status, outcome=outcome(error.issues, ctx.language))
    if isinstance(asked, Delete | ConditionalDelete):
        return answered(ctx, asked, Answer(204, version=puts[0].new.version if len(puts) == 1 else None))
    if not puts:  # nothing to do: what is there is the answer
        assert target.superseded is not None
        return answered(ctx, asked, answers.of(target.superseded, 200, location=True, issues=found))
    [put] = puts
    fresh = put.superseded is None or put.superseded.raw is None
    return answered(ctx, asked, answers.of(put.new, 201 if fresh else 200, location=True, issues=found))
