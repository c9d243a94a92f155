"""The resources of a transaction with their links made: to other entries, and to what conditional references find.

https://hl7.org/fhir/R4/http.html#trules
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fhir_server import wire
from fhir_server.interactions import claims, conditional, patch, write
from fhir_server.interactions.conditional import Condition
from fhir_server.outcome import FhirError, Issue, PreconditionFailed
from fhir_server.rest import links
from fhir_server.rest.bundle import located
from fhir_server.rest.entries import Key, Target
from fhir_server.rest.interaction import ConditionalPatch, ConditionalUpdate, Create, Patch, Stores, Update, parameters
from fhir_server.server import Context
from fhir_server.store import Stored


async def linked(ctx: Context, targets: list[Target]) -> tuple[dict[int, Any], frozenset[str]]:
    """Return the resources to write, by position, with all links between entries and to matches made `Type/id`.

    And those (`Type/id`) of which a link names the version that is made: one must be made, then.
    """
    storing = [target for target in targets if isinstance(target.entry.interaction, Stores)]
    given = {target.entry.position: _given(ctx, target) for target in storing}
    made = {"/".join(target.key): target for target in storing if target.key}
    names = {target.entry.full_url: "/".join(target.key) for target in storing if target.entry.full_url and target.key}
    written = {position: wire.dumps(resource) for position, resource in given.items()}
    asking = {position: given[position] for position, text in written.items() if links.may_be_conditional(text)}
    names |= await _matched(ctx, targets, given, asking)
    if not names:
        return given, frozenset()
    versions = {name: _version(target) for name, target in made.items()}
    told: set[str | None] = set()
    resources = dict(given)
    for target in storing:
        position = target.entry.position
        rewriting = links.Rewriting(ctx.server.definitions, names, versions, links.root(target.entry.full_url))
        if rewriting.needed(written[position]):
            resources[position] = rewriting.resource(given[position])
        if links.VERSION in written[position]:
            told |= {links.versioned(link) for link in links.references(resources[position])}
    return resources, frozenset(name for name in made.keys() & told if not made[name].exists)


def _version(target: Target) -> int:
    """Return the version that the entry makes, or finds when it has nothing to do."""
    if target.superseded is None:
        return 1
    return target.superseded.version + (0 if target.exists else 1)


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


async def _matched(
    ctx: Context, targets: list[Target], given: Mapping[int, Any], asking: Mapping[int, Any]
) -> dict[str, str]:
    """Return what the conditional references in `asking` stand for; raise one error with all that have no match.

    https://hl7.org/fhir/R4/http.html#trules: they are resolved last, and none or several fail the transaction.
    """
    asked: dict[str, tuple[Condition, int]] = {}
    for position, resource in asking.items():
        for text, type, query in links.conditional(resource):
            if text not in asked and type in ctx.server.definitions.resource_types:
                try:
                    asked[text] = await conditional.condition(ctx, type, parameters(query)), position
                except FhirError as error:
                    raise located(error, position, at=f"Bundle.entry[{position}].resource") from None
    if not asked:
        return {}
    before = await conditional.resolve(ctx, {condition for condition, _ in asked.values()})
    # To be found, a resource need not know yet where its own conditional references lead.
    anywhere = {text: f"{condition.type}/unresolved" for text, (condition, _) in asked.items()}
    rewriting = links.Rewriting(ctx.server.definitions, anywhere)
    written = {
        target.key: rewriting.resource(given[target.entry.position])
        for target in targets
        if target.key and target.entry.position in given and not target.exists
    }
    touched = frozenset(key for target in targets if not target.exists for key in target.keys)
    found = {condition: await _afterwards(ctx, condition, rows, written, touched) for condition, rows in before.items()}
    issues = [
        _unmatched(text, len(found[condition]), position)
        for text, (condition, position) in asked.items()
        if len(found[condition]) != 1
    ]
    if issues:
        raise PreconditionFailed("Conditional references do not lead to one resource", issues=issues)
    return {text: "/".join(found[condition][0]) for text, (condition, _) in asked.items()}


async def _afterwards(
    ctx: Context, wanted: Condition, before: Sequence[Stored], written: Mapping[Key, Any], touched: frozenset[Key]
) -> list[Key]:
    """Return what satisfies a condition once the transaction is done; `before` are up to two that do so now.

    A condition that takes more than index entries to tell is judged by what is stored now, save what is deleted.
    """
    if len(before) > 1 and any((row.type, row.id) in touched for row in before):
        before = await conditional.matches(ctx, wanted, 2 + len(touched))
    needed = claims.entries(wanted.claim)
    stay = touched if needed else touched - written.keys()
    found = [(row.type, row.id) for row in before if (row.type, row.id) not in stay]
    if needed:
        found += [
            key for key, resource in written.items() if key[0] == wanted.type and _has(ctx, key, resource, needed)
        ]
    return found


def _has(ctx: Context, key: Key, resource: Any, entries: frozenset[str]) -> bool:
    """Return whether `resource`, stored under `key`, would be found by all of `entries`; an invalid one is by none."""
    try:
        valid = write.check(ctx, key[0], resource).resource
    except FhirError:
        return False  # it is told of when the whole is checked
    return entries <= set(ctx.server.indexer.index({**valid, "id": key[1]}).entries)


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
