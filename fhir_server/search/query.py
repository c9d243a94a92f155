"""A search as the client wrote it, read into a value that cannot be wrong; refused with every problem at once.

https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

from fhir_server.outcome import BadRequest, Issue, NotSupported
from fhir_server.search import criteria, expression
from fhir_server.search.criteria import Refused, Wanted, refers, require_built
from fhir_server.search.parameters import Catalogue, Parameter, searchable

Total = Literal["none", "estimate", "accurate"]
Summary = Literal["true", "text", "data", "count", "false"]

DEFAULT_COUNT = 50
MAX_COUNT = 1000
PARAMETERS = 50  # of one search
SORT_KEYS = 5
INCLUDES = 20
LISTED = 200  # characters of a list of types in an answer
TEXT = 4096  # characters of one parameter's value

CURSOR = "_cursor"  # where a following page begins: made by `page`, never by clients
# They say how the answer is written: the web room reads them.
PRESENTATION = frozenset({"_format", "_pretty"})
UNSORTABLE = frozenset({"composite", "special"})


class Sort(NamedTuple):
    """One key of `_sort`."""

    parameter: Parameter
    descending: bool


class Include(NamedTuple):
    """`_include` or `_revinclude`: `source:parameter[:target]`."""

    source: str
    names: tuple[str, ...]  # under which its parameters are indexed: several for `*`
    target: str | None  # None: every type that it refers to
    iterate: bool = False  # of what has been included, too


@dataclass(frozen=True, slots=True)
class Query:
    """A search in one resource type."""

    type: str
    criteria: tuple[Wanted, ...] = ()  # all must hold
    sort: tuple[Sort, ...] = ()
    count: int = DEFAULT_COUNT  # matches on a page
    includes: tuple[Include, ...] = ()
    revincludes: tuple[Include, ...] = ()
    total: Total = "none"
    summary: Summary = "false"
    elements: tuple[str, ...] = ()
    explain: bool = False  # tell the plan and what the database does for it
    cursor: str | None = None  # still signed
    applied: tuple[tuple[str, str], ...] = ()  # what was understood, for the self link; without the cursor
    ignored: tuple[Issue, ...] = ()  # warnings about what was left out because the client asked to be lenient

    @property
    def only_count(self) -> bool:
        """True when the client wants to know how many match, not which."""
        return self.summary == "count" or self.count == 0


@dataclass(slots=True)
class _Draft:
    """What has been read so far."""

    catalogue: Catalogue
    type: str
    now: datetime
    among: frozenset[str] = frozenset()
    criteria: list[Wanted] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)
    includes: list[Include] = field(default_factory=list)
    revincludes: list[Include] = field(default_factory=list)
    applied: list[tuple[str, str]] = field(default_factory=list)


def parse(
    catalogue: Catalogue,
    type: str,
    parameters: Sequence[tuple[str, str]],
    *,
    now: datetime,
    lenient: bool = False,
    among: Collection[str] = (),
) -> Query:
    """Read the decoded parameters of a search in resource type `type`.

    Raise NotSupported or BadRequest (both 400) with one issue for each parameter that is unknown, unsupported or
    malformed. With `lenient`, unknown and unsupported ones are left out instead: `Query.ignored` tells which.
    `now` is what dates with `ap` are near to; `among`: types that are searched together, of which one at least has what
    `_elements` names.
    """
    draft = _Draft(catalogue, type, now, frozenset({type, *among}))
    problems: list[Refused] = []
    ignored: list[Issue] = []
    if len(parameters) > PARAMETERS:
        raise BadRequest(
            f"{len(parameters)} search parameters are too many: give {PARAMETERS} at most",
            f"{len(parameters)} tham số tìm kiếm là quá nhiều: tối đa {PARAMETERS}",
        )
    for name, text in parameters:
        try:
            _take(draft, name, text)
        except Refused as refused:
            if lenient and refused.ignorable:
                ignored.append(refused.issue._replace(severity="warning"))
            else:
                problems.append(refused)
    problems += _contradictions(draft)
    if problems:
        raise _refusal(problems)
    return Query(
        type=type,
        criteria=tuple(draft.criteria),
        includes=tuple(dict.fromkeys(draft.includes)),
        revincludes=tuple(dict.fromkeys(draft.revincludes)),
        applied=tuple(draft.applied),
        ignored=tuple(ignored),
        **draft.result,
    )


def _contradictions(draft: _Draft) -> list[Refused]:
    """Return what is wrong with the parameters together."""
    summary = draft.result.get("summary", "false")
    found = []
    if draft.result.get("elements") and summary not in {"false", "count"}:
        found.append(_invalid("_elements", "not together with _summary", "không dùng cùng với _summary"))
    if summary == "text" and (draft.includes or draft.revincludes):
        found.append(
            _invalid("_summary", "text brings nothing along: leave _include out", "text không kèm _include: hãy bỏ đi")
        )
    return found


def _refusal(problems: list[Refused]) -> BadRequest | NotSupported:
    issues = [problem.issue for problem in problems]
    kind = NotSupported if all(issue.code == NotSupported.code for issue in issues) else BadRequest
    return kind(issues[0].en, issues[0].vi, issues)


def _take(draft: _Draft, name: str, text: str) -> None:
    if len(text) > TEXT and name != CURSOR:  # which `page` bounds
        raise _invalid(name, f"longer than {TEXT} characters", f"dài quá {TEXT} ký tự")
    if not text.strip():
        raise Refused(
            f"{name[:100]}: the value is empty: give one or leave the parameter out",
            f"{name[:100]}: giá trị trống: hãy điền giá trị hoặc bỏ tham số",
            ignorable=True,
            code="invalid",
        )
    if name in PRESENTATION:
        draft.applied.append((name, text))
    elif name == CURSOR:
        draft.result["cursor"] = text
    elif name.partition(":")[0] in {"_include", "_revinclude"}:
        _include(draft, name, text)
    elif name in RESULT:
        _result(draft, name, text)
    else:
        draft.criteria.append(_criterion(draft, name, text))
        draft.applied.append((name, text))


def _criterion(draft: _Draft, name: str, text: str) -> Wanted:
    if name == "_filter":
        return expression.parse(draft.catalogue, draft.type, text, draft.now)
    return criteria.parse(draft.catalogue, draft.type, name, text, draft.now)


def _result(draft: _Draft, name: str, text: str) -> None:
    key, read = RESULT[name]
    if key in draft.result:
        raise _invalid(name, "given twice: give it once", "xuất hiện hai lần: chỉ gửi một lần")
    draft.result[key] = read(draft, name, text)
    draft.applied.append((name, str(draft.result[key]) if key == "count" else text))


def _invalid(name: str, en: str, vi: str) -> Refused:
    return Refused(f"{name}: {en}", f"{name}: {vi}", ignorable=False)


def _count(draft: _Draft, name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _invalid(name, f"'{text[:50]}' is no whole number from 0", f"'{text[:50]}' không phải số nguyên từ 0")
    return min(int(text), MAX_COUNT)


def _word(*allowed: str) -> Callable[[_Draft, str, str], str]:
    def read(draft: _Draft, name: str, text: str) -> str:
        if text not in allowed:
            there_are = ", ".join(allowed)
            raise _invalid(name, f"'{text[:50]}' is none of {there_are}", f"'{text[:50]}' không thuộc {there_are}")
        return text

    return read


def _elements(draft: _Draft, name: str, text: str) -> tuple[str, ...]:
    """Read `name,Type.name`; of the elements that are named with a type, keep those of the type searched."""
    wanted = []
    for part in filter(None, map(str.strip, text.split(","))):
        type, dot, element = part.rpartition(".")
        meant = draft.among & {type} if dot else (draft.type, *draft.among)
        if not any(element in _members(draft, each) for each in meant):
            types = ", ".join(sorted(draft.among))[:LISTED]
            listed = ", ".join(sorted(_members(draft, draft.type)))
            raise _invalid(
                name,
                f"{types} has no element '{part[:50]}'; {draft.type} has: {listed}",
                f"{types} không có phần tử '{part[:50]}'; {draft.type} có: {listed}",
            )
        if type in {"", draft.type}:
            wanted.append(element)
    return tuple(wanted) or ("id",)


def _members(draft: _Draft, type: str) -> set[str]:
    definition = draft.catalogue.definitions.type(type)
    members = definition.members.values() if definition else ()
    return {member.element.name.removesuffix("[x]") for member in members}


def _sort(draft: _Draft, name: str, text: str) -> tuple[Sort, ...]:
    keys = text.split(",")
    if len(keys) > SORT_KEYS:
        raise _invalid(name, f"at most {SORT_KEYS} keys", f"tối đa {SORT_KEYS} khóa")
    parameters = draft.catalogue.parameters(draft.type)
    found = []
    for key in keys:
        code = key.strip().removeprefix("-")
        parameter = parameters.get(code)
        require_built(name, parameter)
        if parameter is None or parameter.unsupported is not None or parameter.type in UNSORTABLE:
            there_are = ", ".join(each for each in searchable(parameters) if parameters[each].type not in UNSORTABLE)
            raise Refused(
                f"{name}: {draft.type} cannot be sorted by '{code[:100]}'; it can by: {there_are}",
                f"{name}: {draft.type} không thể sắp xếp theo '{code[:100]}'; có thể theo: {there_are}",
                ignorable=True,
            )
        found.append(Sort(parameter, key.strip().startswith("-")))
    return tuple(found)


def _include(draft: _Draft, name: str, text: str) -> None:
    base, colon, modifier = name.partition(":")
    if colon and modifier != "iterate":
        raise Refused(
            f"{name[:100]}: {base} has no modifier '{modifier[:50]}'; available: iterate",
            f"{name[:100]}: {base} không có bổ tố '{modifier[:50]}'; hiện có: iterate",
            ignorable=True,
        )
    own = draft.includes if base == "_include" else draft.revincludes
    if len(own) >= INCLUDES:
        raise _invalid(name, f"at most {INCLUDES} of them", f"tối đa {INCLUDES} lần")
    source, _, rest = text.partition(":")
    code, _, target = rest.partition(":")
    if source == "*":
        if base == "_revinclude" or modifier or rest:
            raise Refused(
                f"{name}={text[:100]}: this would include without bounds: name the type, as in {base}=Type:*",
                f"{name}={text[:100]}: không giới hạn những gì đi kèm: hãy nêu loại, ví dụ {base}=Loại:*",
                ignorable=True,
            )
        source, code = draft.type, "*"
    names = _joining(draft, base, bool(modifier), source, code, target)
    if not names and code != "*":
        raise Refused(
            f"{name}: '{text[:100]}' is no reference {'from' if base == '_include' else 'to'} {draft.type}: "
            f"write {base}=Type:parameter or {base}=Type:parameter:Type",
            f"{name}: '{text[:100]}' không phải tham chiếu {'từ' if base == '_include' else 'tới'} {draft.type}: "
            f"hãy viết {base}=Loại:tham-số hoặc {base}=Loại:tham-số:Loại",
            ignorable=True,
        )
    own.append(Include(source, names, target or None, bool(modifier)))
    draft.applied.append((name, text))


def _joining(draft: _Draft, base: str, iterate: bool, source: str, code: str, target: str) -> tuple[str, ...]:
    """Return the names of the references `code` (`*`: all) of `source` that lead from or to the type searched.

    With `iterate` they may also lead from or to what has been included; to `target` when one is named.
    """
    types = draft.catalogue.context.resource_types
    if source not in types or (target and target not in types):
        return ()
    wanted = target
    if base == "_include":
        if source != draft.type and not iterate:
            return ()
    elif not iterate:
        wanted = draft.type
        if target not in {"", draft.type}:
            return ()
    known = draft.catalogue.parameters(source)
    chosen = known.values() if code == "*" else [known[code]] if code in known else []
    require_built(base, *(each for each in chosen if each.type == "reference"))
    found = (
        each.name
        for each in chosen
        if each.type == "reference" and each.unsupported is None and (not wanted or refers(each, wanted))
    )
    return tuple(sorted(set(found)))


RESULT: dict[str, tuple[str, Callable[[_Draft, str, str], Any]]] = {
    "_count": ("count", _count),
    "_sort": ("sort", _sort),
    "_total": ("total", _word("none", "estimate", "accurate")),
    "_summary": ("summary", _word("true", "text", "data", "count", "false")),
    "_elements": ("elements", _elements),
    "_explain": ("explain", lambda draft, name, text: _word("true", "false")(draft, name, text) == "true"),
}
