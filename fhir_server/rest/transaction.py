"""A transaction Bundle: understood and checked as a whole, written in one commit, answered in the order it came.

https://hl7.org/fhir/R4/http.html#trules
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.interactions import answer as answers
from fhir_server.interactions import conditional, patch, read, write
from fhir_server.interactions.answer import Answer
from fhir_server.interactions.conditional import Condition
from fhir_server.outcome import BadRequest, FhirError, Issue, PreconditionFailed, Unprocessable, outcome
from fhir_server.rest import links
from fhir_server.rest.bundle import (
    Authorise,
    Dispatch,
    answered,
    locate,
    located,
    read_entry,
    response,
    response_bundle,
)
from fhir_server.rest.interaction import (
    Bundle,
    Capabilities,
    ConditionalDelete,
    ConditionalPatch,
    ConditionalUpdate,
    Create,
    Delete,
    History,
    Interaction,
    Invoke,
    Patch,
    Read,
    Search,
    Stores,
    Update,
    VRead,
    parameters,
)
from fhir_server.server import Context
from fhir_server.store import ClaimTaken, Put, Stored, VersionConflict

Json = dict[str, Any]
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: where it stands, what it asks for, and what chooses the resource that it writes."""

    position: int
    interaction: Interaction
    full_url: str | None
    key: Key | None = None  # of what it writes, when that needs no search; a create's is new
    condition: Condition | None = None

    @property
    def at(self) -> str:
        """Where in the Bundle its request is."""
        return f"Bundle.entry[{self.position}].request"


@dataclass(frozen=True, slots=True)
class Target:
    """What an entry writes, as the database is now."""

    entry: Entry
    key: Key | None = None  # what links to the entry lead to
    superseded: Stored | None = None  # the current version, when there is one
    exists: bool = False  # a conditional create that has nothing to do
    removed: tuple[Stored, ...] = ()  # what a conditional delete finds
    claims: tuple[str, ...] = ()

    @property
    def keys(self) -> list[Key]:
        """The resources that the entry speaks for."""
        return [*([self.key] if self.key else []), *((each.type, each.id) for each in self.removed)]


async def transaction(ctx: Context, entries: list[Json], dispatch: Dispatch, authorise: Authorise) -> Answer:
    """Perform all entries or none; raise the FhirError that names the entry in the way."""
    understood = [_understand(ctx, entry, position) for position, entry in enumerate(entries)]
    for entry in understood:
        authorise(ctx, entry.interaction)
    _require_distinct_urls(understood)
    rehearsed = False
    released: set[str] = set()  # claims whose holder does not satisfy the condition
    for _ in range(write.ATTEMPTS):
        targets = await _targets(ctx, understood, released)
        _require_distinct(targets)
        checked = _check(ctx, targets, await _resources(ctx, targets))
        await _require_references(ctx, targets, checked)
        if not rehearsed:
            await _rehearse(ctx, targets, dispatch)
            rehearsed = True
        writes = {target.entry.position: _puts(ctx, target, checked) for target in targets}
        try:
            await write.commit(ctx, [put for puts in writes.values() for put in puts])
        except VersionConflict as conflict:
            last = conflict.type, conflict.id
        except ClaimTaken as taken:
            last = taken.type, taken.id
            if taken.claim.startswith("#"):
                released.add(taken.claim)
        else:
            responses = [await _response(ctx, target, writes[target.entry.position], dispatch) for target in targets]
            return Answer(200, response_bundle("transaction-response", responses))
    raise write.contended(*last)


def _understand(ctx: Context, entry: Any, position: int) -> Entry:
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
                condition = None if params is None else conditional.condition(ctx, type, params)
            case ConditionalUpdate(type, params) | ConditionalPatch(type, params) | ConditionalDelete(type, params):
                condition = conditional.condition(ctx, type, params)
            case Update(type, id) | Patch(type, id) | Delete(type, id):
                key = (type, id)
            case Invoke() | Capabilities() | Bundle():
                raise BadRequest(
                    f"{at}: operations are not performed in a transaction, call them on their own",
                    f"{at}: không thực hiện thao tác (operation) trong giao dịch, hãy gọi riêng",
                )
            case Read() | VRead() | History() | Search():
                pass
    except FhirError as error:
        raise located(error, position, at=at) from None
    return Entry(position, interaction, full_url, key, condition)


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
        return Target(entry, removed=tuple(await conditional.condemned(ctx, wanted)))
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


async def _resources(ctx: Context, targets: list[Target]) -> dict[int, Any]:
    """Return the resources to write, by position, with all links between entries and to matches made `Type/id`."""
    given = {
        target.entry.position: _given(ctx, target) for target in targets if isinstance(target.entry.interaction, Stores)
    }
    names = {
        target.entry.full_url: "/".join(target.key)
        for target in targets
        if target.entry.full_url and target.key and isinstance(target.entry.interaction, Stores)
    }
    names |= await _matched(ctx, given)
    if not names:
        return given
    roots = {target.entry.position: links.root(target.entry.full_url) for target in targets}
    return {position: links.rewritten(resource, names, roots[position]) for position, resource in given.items()}


def _given(ctx: Context, target: Target) -> Any:
    """Return the resource of an entry: as it was sent, or what its patch makes of the current version."""
    asked = target.entry.interaction
    if isinstance(asked, Create | Update | ConditionalUpdate):
        return asked.resource
    assert isinstance(asked, Patch | ConditionalPatch)
    assert target.superseded is not None
    try:
        return patch.patched(patch.change(ctx, asked.patch), target.superseded)
    except FhirError as error:
        raise located(error, target.entry.position, at=target.entry.at) from None


async def _matched(ctx: Context, given: Mapping[int, Any]) -> dict[str, str]:
    """Return what the conditional references of all resources stand for; raise one error with all that have no match.

    https://hl7.org/fhir/R4/http.html#trules: none or several fail the transaction.
    """
    asked: dict[str, tuple[Condition, int]] = {}
    for position, resource in given.items():
        for text, type, query in links.conditional(resource):
            if text not in asked and type in ctx.server.definitions.resource_types:
                try:
                    asked[text] = conditional.condition(ctx, type, parameters(query)), position
                except FhirError as error:
                    raise located(error, position, at=f"Bundle.entry[{position}].resource") from None
    found = await conditional.resolve(ctx, {condition for condition, _ in asked.values()})
    issues = [
        _unmatched(text, len(found[condition]), position)
        for text, (condition, position) in asked.items()
        if len(found[condition]) != 1
    ]
    if issues:
        raise PreconditionFailed("Conditional references do not lead to one resource", issues=issues)
    return {text: f"{condition.type}/{found[condition][0].id}" for text, (condition, _) in asked.items()}


def _unmatched(text: str, count: int, position: int) -> Issue:
    en, vi = (
        ("nothing matches it: store that resource first", "không có tài nguyên nào khớp: hãy lưu tài nguyên đó trước")
        if count == 0
        else ("several resources match it: make it narrower", "nhiều tài nguyên khớp: hãy thu hẹp điều kiện")
    )
    return Issue(
        "error",
        "not-found" if count == 0 else "multiple-matches",
        f"The reference '{text[:128]}' does not lead to one resource: {en}",
        f"Tham chiếu '{text[:128]}' không dẫn tới đúng một tài nguyên: {vi}",
        f"Bundle.entry[{position}].resource",
    )


def _check(ctx: Context, targets: list[Target], resources: dict[int, Any]) -> dict[int, write.Checked]:
    """Validate every resource to be written; raise one Unprocessable with the issues of all."""
    checked: dict[int, write.Checked] = {}
    issues: list[Issue] = []
    for target in targets:
        position = target.entry.position
        if position not in resources or target.key is None:
            continue
        type, id = target.key
        resource = resources[position]
        try:
            if not isinstance(target.entry.interaction, Create):
                resource = write.with_id(resource, id)
            checked[position] = write.check(ctx, type, resource)
        except FhirError as error:
            issues += (locate(issue, position) for issue in error.issues)
    if issues:
        raise Unprocessable("The transaction has invalid resources", issues=issues)
    return checked


async def _require_references(ctx: Context, targets: list[Target], checked: dict[int, write.Checked]) -> None:
    written = {target.key for target in targets if target.key and isinstance(target.entry.interaction, Stores)}
    questions = [
        question._replace(expression=locate(Issue("error", "", "", "", question.expression), position).expression or "")
        for position, found in checked.items()
        for question in found.questions
    ]
    if issues := await write.missing(ctx, questions, written):
        raise Unprocessable("References of the transaction lead to nothing", issues=issues)


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


def _puts(ctx: Context, target: Target, checked: Mapping[int, write.Checked]) -> list[Put]:
    """Return the writes of an entry: several for a conditional delete, none when there is nothing to do."""
    try:
        return list(_each_put(ctx, target, checked))
    except FhirError as error:
        raise located(error, target.entry.position, at=target.entry.at) from None


def _each_put(ctx: Context, target: Target, checked: Mapping[int, write.Checked]) -> Iterator[Put]:
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
            if not write.unchanged(ctx, resource, id, old):
                yield write.put(ctx, resource, id, old, "PUT", target.claims)
        case Patch(if_match=if_match) | ConditionalPatch(if_match=if_match):
            assert old is not None
            resource = checked[target.entry.position].resource
            write.require_version(old, old.type, old.id, if_match)
            if not write.unchanged(ctx, resource, old.id, old):
                yield write.put(ctx, resource, old.id, old, "PATCH")
        case _:
            pass


async def _response(ctx: Context, target: Target, puts: list[Put], dispatch: Dispatch) -> bytes:
    """Return the response of one entry; reads and searches are performed now, after the writes."""
    asked = target.entry.interaction
    if _reads(target.entry):
        try:
            return answered(ctx, asked, await dispatch(ctx, asked))
        except FhirError as error:  # what was rehearsed has gone since, or the transaction itself deleted it
            return response(error.status, outcome=outcome(error.issues, ctx.language))
    if isinstance(asked, Delete | ConditionalDelete):
        return answered(ctx, asked, Answer(204, version=puts[0].new.version if len(puts) == 1 else None))
    if not puts:  # nothing to do: what is there is the answer
        assert target.superseded is not None
        return answered(ctx, asked, answers.of(target.superseded, 200, location=True))
    [put] = puts
    fresh = put.superseded is None or put.superseded.raw is None
    return answered(ctx, asked, answers.of(put.new, 201 if fresh else 200, location=True))
