"""Claims: what a conditional write says of itself, so that no second one like it is stored at the same moment.

https://hl7.org/fhir/R4/http.html#ccreate — docs/decisions/0012-claims.md

A claim is held by one current resource of a type at most; the database's unique index sees to that. Two kinds:

    ["identifier|001…|~cccd"]   the index entries that the condition asks for: held as long as the resource has them
    #5f3a…                      a digest of any other condition: held until the resource is changed
"""

from collections.abc import Iterable
from hashlib import blake2b

import orjson

from fhir_server.search.plan import Holds, Plan


def claim(plan: Plan) -> str:
    """Return the claim of the condition `plan`: the same however the client wrote it."""
    entries = [_entry(term) for term in plan.terms]
    if all(entry is not None for entry in entries):
        return orjson.dumps(sorted(entry for entry in entries if entry is not None)).decode()
    written = "\n".join(sorted(repr(term) for term in plan.terms))
    return "#" + blake2b(written.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def kept(claims: Iterable[str], entries: Iterable[str]) -> tuple[str, ...]:
    """Return those of a superseded version's claims that the next version, found by `entries`, still holds."""
    exact = [claim for claim in claims if claim.startswith("[")]
    found = set(entries) if exact else set()
    return tuple(claim for claim in exact if found.issuperset(orjson.loads(claim)))


def begun(claims: Iterable[str], entries: Iterable[str]) -> tuple[str, ...]:
    """Return those of a new version's `claims` that it can hold: it must have what it claims."""
    claims = tuple(claims)
    return (*kept(claims, entries), *(claim for claim in claims if claim.startswith("#")))


def entries(claim: str) -> frozenset[str]:
    """Return the index entries that satisfy the condition of `claim`; none when it takes a search to tell."""
    return frozenset(orjson.loads(claim)) if claim.startswith("[") else frozenset()


def _entry(term: object) -> str | None:
    """Return the one index entry that satisfies `term`; None when there are several or none."""
    if isinstance(term, Holds) and len(term.spans) == 1 and term.spans[0].exact:
        return term.name + term.spans[0].low
    return None


def only_entry(plan: Plan) -> str | None:
    """Return the one index entry that satisfies `plan`; None when it takes more, or a range."""
    return _entry(plan.terms[0]) if len(plan.terms) == 1 else None
