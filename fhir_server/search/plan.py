"""A search as steps over index entries: frozen, printable, and turned into one MongoDB condition.

What only the database knows — which resources a chain leads to — is asked for by `unresolved` and given to `to_filter`.

https://hl7.org/fhir/R4/search.html#chaining · https://hl7.org/fhir/R4/search.html#modifiers
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, product
from math import prod
from typing import Any, NamedTuple

from fhir_server.search import criteria, entries, matching
from fhir_server.search.entries import Condition, Span
from fhir_server.search.matching import Id, Present
from fhir_server.search.parameters import Catalogue, Parameter
from fhir_server.search.query import Query, Sort
from fhir_server.search.types import position, string
from fhir_server.search.types.date import Date
from fhir_server.search.types.position import Around

SEQUENCE_BITS = 20  # below the Unix milliseconds of a document's `s`
LAST_SEQUENCE = 2**63 - 1
ALTERNATIVES = 24  # ways to satisfy several limits of one date that are written out


class SortBy(NamedTuple):
    """A sort key: the field `s` or `_id`, or the smallest (descending: largest) entry that begins with `key`.

    Of these only such as hold `mark`: a string is also found by its later words, which are no place to sort it.
    """

    key: str
    descending: bool
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Holds:
    """An entry of `name` lies in one of `spans`."""

    name: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Within:
    """The one value that there can be of `name` lies in every span of one of `alternatives`.

    Two limits of one date become one range of the index; of a parameter with several values that would be wrong.
    """

    name: str
    alternatives: tuple[tuple[Span, ...], ...]


@dataclass(frozen=True, slots=True)
class Ids:
    """The logical id is one of `ids`."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Updated:
    """The sequence (Unix milliseconds shifted left by SEQUENCE_BITS) lies in one of `ranges`, ends excluded."""

    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`term` does not hold."""

    term: "Term"


@dataclass(frozen=True, slots=True)
class Follows:
    """An entry of reference parameter `name` names a resource that one of the inner plans finds."""

    name: str
    links: tuple["Plan", ...]  # one for each resource type that the reference may lead to


@dataclass(frozen=True, slots=True)
class Referred:
    """An entry of reference parameter `name` of a resource that `source` finds names this one."""

    name: str
    type: str  # of what is referred to
    source: "Plan"


@dataclass(frozen=True, slots=True)
class Joined:
    """Every one of `terms` holds, or (`operator` "or") one of them does."""

    operator: str
    terms: tuple["Term", ...]


@dataclass(frozen=True, slots=True)
class Nearby:
    """The position in an entry of `name` lies within one of `circles`."""

    name: str
    circles: tuple[Around, ...]

    def among(self, entries: Iterable[str]) -> list[tuple[str, str]]:
        """Return those of the entries that do, as (name, rest)."""
        rests = (entry.removeprefix(self.name) for entry in entries)
        return [(self.name, rest) for rest in rests if any(position.holds(rest, each) for each in self.circles)]


Term = Holds | Within | Ids | Updated | Not | Follows | Referred | Nearby | Joined
Open = Follows | Referred | Nearby


@dataclass(frozen=True, slots=True)
class Plan:
    """What must all hold of a resource of `type`, and the order of the results (then, always, newest first)."""

    type: str
    terms: tuple[Term, ...]
    sort: tuple[SortBy, ...] = ()


# For each chain of a plan, the resources that its inner plans found, or those that they refer to: (type, id).
# For circles, the positions in them: (name, rest).
Resolved = Mapping[Open, Sequence[tuple[str, str]]]


def plan(query: Query, catalogue: Catalogue) -> Plan:
    """Return the steps that answer `query`."""
    terms: dict[Term, None] = {}
    ranges: dict[Parameter, list[Holds]] = {}
    for criterion in query.criteria:
        term = _term(criterion, catalogue)
        if isinstance(criterion, criteria.Criterion) and isinstance(term, Holds) and _joinable(criterion):
            ranges.setdefault(criterion.parameter, []).append(term)
        else:
            terms[term] = None
    for holds in ranges.values():
        terms.update(dict.fromkeys(_together(holds)))
    return Plan(query.type, tuple(terms), tuple(_sort_by(key) for key in query.sort))


def _joinable(criterion: criteria.Criterion) -> bool:
    parameter = criterion.parameter
    return parameter.type in {"date", "number"} and parameter.single and criterion.modifier is None


def _together(terms: list[Holds]) -> list[Holds | Within]:
    """Return several limits of a parameter's only value as one term, unless that would have too many alternatives."""
    name = terms[0].name
    if len(terms) == 1 or prod(len(term.spans) for term in terms) > ALTERNATIVES:
        return list(terms)
    alternatives = [_joined(spans) for spans in product(*(term.spans for term in terms))]
    return [Within(name, tuple(dict.fromkeys(spans for spans in alternatives if spans is not None)))]


def _joined(spans: Iterable[Span]) -> tuple[Span, ...] | None:
    """Intersect the spans over the same entries of one value; None when a value cannot lie in all of them."""
    by_space: dict[str, Span] = {}
    for span in spans:
        space = span.low.partition("|")[0]  # "" or ":end"
        both = span if space not in by_space else by_space[space].intersection(span)
        if both is None:
            return None
        by_space[space] = both
    return tuple(by_space.values())


def _sort_by(sort: Sort) -> SortBy:
    parameter, descending = sort.parameter, sort.descending
    own = {"_id": "_id", "_lastUpdated": "s"}
    if parameter.code in own:
        return SortBy(own[parameter.code], descending)
    if parameter.type != "string":
        return SortBy(f"{parameter.name}|", descending)
    if any(branch.type == "HumanName" for branch in parameter.branches):
        return SortBy(parameter.name + string.SORT, descending)
    return SortBy(f"{parameter.name}|", descending, mark="\t")


def _term(criterion: criteria.Wanted, catalogue: Catalogue) -> Term:
    if isinstance(criterion, criteria.Group):
        terms = tuple(_term(part, catalogue) for part in criterion.parts)
        return Not(terms[0]) if criterion.operator == "not" else Joined(criterion.operator, terms)
    if isinstance(criterion, criteria.Reverse):
        source = Plan(criterion.type, (_term(criterion.criterion, catalogue),))
        return Referred(criterion.parameter.name, criterion.target, source)
    if isinstance(criterion, criteria.Chain):
        links = (Plan(type, (_term(inner, catalogue),)) for type, inner in criterion.links)
        return Follows(criterion.parameter.name, tuple(links))
    parameter, values = criterion.parameter, criterion.values
    circles = tuple(value for value in values if isinstance(value, Around))
    if circles:
        return Nearby(parameter.name, circles)
    term: Holds | Ids | Updated
    if parameter.code == "_id":
        term = Ids(tuple(sorted(value.id for value in values if isinstance(value, Id))))
    elif parameter.code == "_lastUpdated":
        return Updated(tuple(limits for value in values if isinstance(value, Date) for limits in _updated(value)))
    else:
        found = (matching.spans(parameter, value, catalogue.context) for value in values)
        term = Holds(parameter.name, tuple(dict.fromkeys(span for spans in found for span in spans)))
    if criterion.modifier == "missing":
        wanted = {value.present for value in values if isinstance(value, Present)}
        # Both true and false: every resource has the parameter or has it not.
        return Updated(((0, LAST_SEQUENCE),)) if len(wanted) == 2 else term if True in wanted else Not(term)
    return Not(term) if criterion.modifier in {"not", "not-in"} else term


def _updated(wanted: Date) -> list[tuple[int, int]]:
    """Return the ranges of sequences of the milliseconds that `wanted` describes: a time of writing is a point."""
    start, end = _sequence(wanted.start), _sequence(wanted.end)
    match wanted.prefix:
        case "eq" | "ap":
            return [(start, end)]
        case "ne":
            return [(0, start), (end, LAST_SEQUENCE)]
        case "gt" | "sa":
            return [(end, LAST_SEQUENCE)]
        case "ge":
            return [(start, LAST_SEQUENCE)]
        case "lt" | "eb":
            return [(0, start)]
        case "le":
            return [(0, end)]


def _sequence(moment: datetime) -> int:
    milliseconds = int(moment.timestamp() // 1) * 1000 + moment.microsecond // 1000
    return min(max(milliseconds, 0) << SEQUENCE_BITS, LAST_SEQUENCE)


def unresolved(plan: Plan) -> tuple[Open, ...]:
    """Return what only the database can tell and `to_filter` needs, each once.

    Of circles it is the positions `among` the entries that satisfy `candidates`. To resolve a chain: for each plan in
    `links`, resolve that plan's own chains, find the ids of its matches, and give them as `(link.type, id)`; of a chain
    back, give the resources that the entries `name` of its matches name.
    """
    return tuple(dict.fromkeys(chain for term in plan.terms for chain in _chains(term)))


def candidates(circles: Nearby) -> Condition:
    """Return the condition on the positions that may lie in the circles."""
    return entries.condition(circles.name, [span for each in circles.circles for span in position.match(each)])


def _chains(term: Term) -> Iterator[Open]:
    match term:
        case Follows() | Referred() | Nearby():
            yield term
        case Not(inner):
            yield from _chains(inner)
        case Joined(_, terms):
            for each in terms:
                yield from _chains(each)
        case Holds() | Within() | Ids() | Updated():
            pass


def to_filter(plan: Plan, resolved: Resolved | None = None) -> Condition | None:
    """Return the MongoDB condition over `ix`, `s` and `_id` of what matches; None when nothing can.

    `resolved` holds an item for each chain of `unresolved(plan)`; KeyError when one is missing.
    """
    conditions: list[Condition] = []
    ids: set[str] | None = None
    for term in plan.terms:
        if isinstance(term, Ids):
            ids = set(term.ids) if ids is None else ids & set(term.ids)
            continue
        if isinstance(term, Referred):
            own_ids = _named(term, resolved or {})
            ids = own_ids if ids is None else ids & own_ids
            continue
        own = _condition(term, resolved or {})
        if own is None:
            return None
        if own:
            conditions.append(own)
    if ids is not None:
        if not ids:
            return None
        conditions.insert(0, _one_of("_id", sorted(ids)))
    return _all(conditions)


def _named(term: Referred, resolved: Resolved) -> set[str]:
    return {id for type, id in resolved[term] if type == term.type}


def _condition(term: Term, resolved: Resolved) -> Condition | None:
    """Return the condition of one term: None when nothing can satisfy it, {} when everything does."""
    match term:
        case Holds(name, spans):
            return entries.condition(name, spans)
        case Within(name, alternatives):
            return _any([_all([entries.condition(name, [span]) for span in spans]) for spans in alternatives])
        case Updated(ranges):
            return _any([{"s": {"$gte": low, "$lt": high}} for low, high in ranges if low < high])
        case Ids(ids):
            return _one_of("_id", list(ids))
        case Referred():
            named = sorted(_named(term, resolved))
            return _one_of("_id", named) if named else None
        case Follows(name):
            keys = sorted({f"{name}|{id}|{type}" for type, id in resolved[term]})
            return _one_of("ix", keys) if keys else None
        case Nearby():
            places = sorted(name + rest for name, rest in resolved[term])
            return _one_of("ix", places) if places else None
        case Not(Ids(ids)):
            return {"_id": {"$nin": list(ids)}}
        case Not(inner):
            return _negated(_condition(inner, resolved))
        case Joined(operator, terms):
            return _joined_condition(operator, [_condition(each, resolved) for each in terms])


def _negated(condition: Condition | None) -> Condition | None:
    if condition is None:
        return {}
    return {"$nor": [condition]} if condition else None


def _joined_condition(operator: str, parts: list[Condition | None]) -> Condition | None:
    some = [part for part in parts if part is not None]
    if operator == "or":
        return {} if {} in some else _any(some)
    return None if len(some) < len(parts) else _all([part for part in some if part])


def _any(conditions: list[Condition]) -> Condition | None:
    return None if not conditions else conditions[0] if len(conditions) == 1 else {"$or": conditions}


def _all(conditions: list[Condition]) -> Condition:
    return conditions[0] if len(conditions) == 1 else {"$and": conditions} if conditions else {}


def _one_of(field: str, values: list[str]) -> Condition:
    return {field: values[0]} if len(values) == 1 else {field: {"$in": values}}


def explain(plan: Plan) -> dict[str, Any]:
    """Return the plan as JSON: for each term what it looks for and how the index serves it.

    `access` is "equal" (one place in the index), "range", "scan" (all values of the parameter), "fields", "filter"
    (negations: every resource that the other terms leave) or "chain".
    """
    sort = [f"{'-' if key.descending else ''}{key.key}" for key in plan.sort]
    return {"type": plan.type, "terms": [_explained(term) for term in plan.terms], "sort": [*sort, "-s"]}


def _explained(term: Term) -> dict[str, Any]:
    match term:
        case Holds(name, spans):
            return {"parameter": name, "access": _access(spans), "entries": list(_written(name, spans))}
        case Within(name, alternatives):
            ways = [list(_written(name, spans)) for spans in alternatives]
            return {"parameter": name, "access": _access(chain.from_iterable(alternatives)), "any": ways}
        case Ids(ids):
            return {"parameter": "_id", "access": "fields", "ids": list(ids)}
        case Updated(ranges):
            return {"parameter": "_lastUpdated", "access": "fields", "sequences": [list(each) for each in ranges]}
        case Not(inner):
            return {"access": "filter", "not": _explained(inner)}
        case Follows(name, links):
            return {"parameter": name, "access": "chain", "links": [explain(link) for link in links]}
        case Joined(operator, terms):
            return {"access": operator, "terms": [_explained(each) for each in terms]}
        case Nearby(name, circles):
            return {"parameter": name, "access": "range", "circles": [each.written() for each in circles]}
        case Referred(name, _, source):
            return {"access": "reverse chain", "by": name, "links": [explain(source)]}


def _access(spans: Iterable[Span]) -> str:
    kinds = {"equal" if span.exact else "scan" if span.low == "|" and span.pattern else "range" for span in spans}
    return "scan" if "scan" in kinds else "range" if "range" in kinds else "equal"


def _written(name: str, spans: Iterable[Span]) -> Iterable[str]:
    for span in spans:
        limits = f"{name}{span.low}" if span.high is None else f"{name}{span.low} … {name}{span.high}"
        yield limits if span.pattern is None else f"{limits} ~ {span.pattern}"
