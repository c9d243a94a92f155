"""A transaction Bundle: understood and checked as a whole, written in one commit, answered in the order it came.

https://hl7.org/fhir/R4/http.html#trules
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.interactions import answer as answers
from fhir_server.interactions import write
from fhir_server.interactions.answer import Answer
from fhir_server.outcome import BadRequest, FhirError, Issue, NotSupported, Unprocessable, outcome
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
    ConditionalUpdate,
    Create,
    Delete,
    History,
    Interaction,
    Invoke,
    Read,
    Search,
    Update,
    VRead,
)
from fhir_server.server import Context
from fhir_server.store import Put, Stored, VersionConflict

Json = dict[str, Any]
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: where it stands, what it asks for, the id that its resource has or gets."""

    position: int
    interaction: Interaction
    full_url: str | None
    key: Key | None  # of what it writes


async def transaction(ctx: Context, entries: list[Json], dispatch: Dispatch, authorise: Authorise) -> Answer:
    """Perform all entries or none; raise the FhirError that names the entry in the way."""
    understood = [_understand(ctx, entry, position) for position, entry in enumerate(entries)]
    for entry in understood:
        authorise(ctx, entry.interaction)
    _require_distinct(understood)
    resources = resolved(understood)
    checked = _check(ctx, understood, resources)
    await _require_references(ctx, understood, checked)
    await _rehearse(ctx, understood, dispatch)
    written = await _commit(ctx, understood, checked)
    responses = [await _response(ctx, entry, written, dispatch) for entry in understood]
    return Answer(200, response_bundle("transaction-response", responses))


def _understand(ctx: Context, entry: Any, position: int) -> Entry:
    interaction = read_entry(ctx, entry, position)
    full_url = entry.get("fullUrl")
    if not isinstance(full_url, str | None):
        at = f"Bundle.entry[{position}].fullUrl"
        raise BadRequest(f"{at} is a URI", f"{at} phải là URI", (), at)
    key: Key | None = None
    match interaction:
        case ConditionalUpdate() | ConditionalDelete() | Create(if_none_exist=tuple()) | Update(only_new=True):
            at = f"Bundle.entry[{position}].request"
            raise NotSupported(
                f"{at}: conditions are not supported in a transaction yet",
                f"{at}: chưa hỗ trợ điều kiện trong giao dịch",
                (),
                at,
            )
        case Create(type):
            key = (type, ctx.new_id())
        case Update(type, id) | Delete(type, id):
            key = (type, id)
        case Invoke() | Capabilities() | Bundle():
            at = f"Bundle.entry[{position}].request"
            raise BadRequest(
                f"{at}: operations are not performed in a transaction, call them on their own",
                f"{at}: không thực hiện thao tác (operation) trong giao dịch, hãy gọi riêng",
                (),
                at,
            )
        case Read() | VRead() | History() | Search():
            pass
    return Entry(position, interaction, full_url, key)


def _require_distinct(entries: list[Entry]) -> None:
    """Raise BadRequest when two entries write the same resource or have the same fullUrl."""
    for what in ("key", "full_url"):
        seen: dict[Any, int] = {}
        for entry in entries:
            value = getattr(entry, what)
            if value is None or (what == "full_url" and entry.key is None):
                continue
            if value in seen:
                name = "/".join(value) if isinstance(value, tuple) else value
                raise BadRequest(
                    f"Entries {seen[value]} and {entry.position} both speak for {name[:128]}: a transaction writes "
                    "each resource once",
                    f"Mục {seen[value]} và {entry.position} cùng ghi {name[:128]}: mỗi tài nguyên chỉ ghi một lần "
                    "trong giao dịch",
                    (),
                    f"Bundle.entry[{entry.position}]",
                )
            seen[value] = entry.position


def resolved(entries: list[Entry]) -> dict[int, Any]:
    """Return the resources to write, by position, with references to other entries' fullUrl made `Type/id`."""
    names = {
        entry.full_url: "/".join(entry.key)
        for entry in entries
        if entry.full_url and entry.key and not isinstance(entry.interaction, Delete)
    }
    return {
        entry.position: rewritten(entry.interaction.resource, names) if names else entry.interaction.resource
        for entry in entries
        if isinstance(entry.interaction, Create | Update)
    }


def rewritten(value: Any, names: Mapping[str, str], key: str = "") -> Any:
    """Return `value`, the value of property `key`, with every link to a name in `names` replaced.

    A link is a Reference.reference, or an element of a URI type that holds a urn:. Identifier.value is a string that
    may look the same and is left alone, and so is every `system`.
    """
    if isinstance(value, dict):
        return {name: rewritten(member, names, name) for name, member in value.items()}
    if isinstance(value, list):
        return [rewritten(item, names, key) for item in value]
    if not isinstance(value, str):
        return value
    if key == "reference" or (value.startswith("urn:") and key not in {"value", "system", "fullUrl"}):
        return names.get(value, value)
    if key == "div":
        for name, target in names.items():
            value = value.replace(f'"{name}"', f'"{target}"')
    return value


def _check(ctx: Context, entries: list[Entry], resources: dict[int, Any]) -> dict[int, write.Checked]:
    """Validate every resource to be written; raise one Unprocessable with the issues of all."""
    checked: dict[int, write.Checked] = {}
    issues: list[Issue] = []
    for entry in entries:
        if entry.position not in resources or entry.key is None:
            continue
        type, id = entry.key
        resource = resources[entry.position]
        try:
            if isinstance(entry.interaction, Update):
                resource = write.with_id(resource, id)
            checked[entry.position] = write.check(ctx, type, resource)
        except FhirError as error:
            issues += (locate(issue, entry.position) for issue in error.issues)
    if issues:
        raise Unprocessable("The transaction has invalid resources", issues=issues)
    return checked


async def _require_references(ctx: Context, entries: list[Entry], checked: dict[int, write.Checked]) -> None:
    written = {entry.key for entry in entries if entry.key and not isinstance(entry.interaction, Delete)}
    questions = [
        question._replace(expression=locate(Issue("error", "", "", "", question.expression), position).expression or "")
        for position, found in checked.items()
        for question in found.questions
    ]
    if issues := await write.missing(ctx, questions, written):
        raise Unprocessable("References of the transaction lead to nothing", issues=issues)


async def _rehearse(ctx: Context, entries: list[Entry], dispatch: Dispatch) -> None:
    """Perform the reads and searches once before anything is written, so that one that fails fails the whole."""
    written = {entry.key for entry in entries if entry.key}
    for entry in entries:
        asked = entry.interaction
        if entry.key is None and not (isinstance(asked, Read | History) and (asked.type, asked.id) in written):
            try:
                await dispatch(ctx, asked)
            except FhirError as error:
                raise located(error, entry.position, at=f"Bundle.entry[{entry.position}].request") from None


async def _commit(ctx: Context, entries: list[Entry], checked: dict[int, write.Checked]) -> dict[int, Put]:
    """Write everything in one commit, trying again when somebody else was faster and no If-Match stands against it."""
    changes = [entry for entry in entries if entry.key]
    for _ in range(write.ATTEMPTS):
        current = await ctx.server.store.read_many(
            [entry.key for entry in changes if entry.key and not isinstance(entry.interaction, Create)]
        )
        writes = {entry.position: found for entry in changes if (found := _put(ctx, entry, current, checked))}
        try:
            await ctx.server.store.commit(list(writes.values()))
        except VersionConflict as conflict:
            last = conflict
            continue
        return writes
    raise write.contended(last.type, last.id)


def _put(ctx: Context, entry: Entry, current: Mapping[Key, Stored], checked: Mapping[int, write.Checked]) -> Put | None:
    assert entry.key is not None
    superseded = current.get(entry.key)
    try:
        match entry.interaction:
            case Delete(type, id, if_match):
                write.require_version(superseded, type, id, if_match)
                return write.tombstone(ctx, superseded) if superseded and superseded.raw else None
            case Update(type, id, _, if_match):
                write.require_version(superseded, type, id, if_match)
                write.require_update_create(ctx, superseded, type, id)
                return write.put(ctx, checked[entry.position].resource, id, superseded, "PUT")
            case _:
                return write.put(ctx, checked[entry.position].resource, entry.key[1], None, "POST")
    except FhirError as error:
        raise located(error, entry.position, at=f"Bundle.entry[{entry.position}].request") from None


async def _response(ctx: Context, entry: Entry, written: Mapping[int, Put], dispatch: Dispatch) -> bytes:
    """Return the response of one entry; reads and searches are performed now, after the writes."""
    if entry.key is None:
        try:
            return answered(ctx, entry.interaction, await dispatch(ctx, entry.interaction))
        except FhirError as error:  # what was rehearsed has gone since, or the transaction itself deleted it
            return response(error.status, outcome=outcome(error.issues, ctx.language))
    put = written.get(entry.position)
    if put is None or put.new.raw is None:
        return answered(ctx, entry.interaction, Answer(204, version=put.new.version if put else None))
    fresh = put.superseded is None or put.superseded.raw is None
    return answered(ctx, entry.interaction, answers.of(put.new, 201 if fresh else 200, location=True))
