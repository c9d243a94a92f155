"""One search criterion: a parameter with its modifier and values, or a chain that leads to one.

https://hl7.org/fhir/R4/search.html#parameters · https://hl7.org/fhir/R4/search.html#chaining
"""

from dataclasses import dataclass
from datetime import datetime

from fhir_server.outcome import Issue
from fhir_server.search import matching
from fhir_server.search.matching import Value
from fhir_server.search.parameters import Catalogue, Parameter, searchable
from fhir_server.search.types import special
from fhir_server.search.values import Invalid, split

VALUES = 200  # alternatives of one parameter
DEPTH = 3  # references that a chain may follow
LISTED = 60  # names in an answer that says what there is


@dataclass(frozen=True, slots=True)
class Criterion:
    """A parameter that must hold one of `values`."""

    parameter: Parameter
    modifier: str | None  # one of matching.modifiers(parameter)
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """`parameter:type.criterion`: true when the resource referred to satisfies the criterion of its type."""

    parameter: Parameter
    links: tuple[tuple[str, "Criterion | Chain"], ...]  # by resource type


class Refused(Exception):
    """A parameter cannot be taken; `ignorable` when a lenient server may go on without it."""

    def __init__(self, en: str, vi: str, *, ignorable: bool, code: str | None = None):
        super().__init__(en)
        self.issue = Issue("error", code or ("not-supported" if ignorable else "invalid"), en, vi)
        self.ignorable = ignorable


def parse(catalogue: Catalogue, type: str, name: str, text: str, now: datetime, depth: int = 0) -> Criterion | Chain:
    """Read the parameter `name=text` of a search in `type`; raise Refused, saying why and what there is instead."""
    head, dot, rest = name.partition(".")
    code, colon, modifier = head.partition(":")
    parameter = _parameter(catalogue, type, code, name)
    if dot:
        return _chain(catalogue, parameter, modifier if colon else None, (name, rest), text, now, depth)
    if colon and modifier not in matching.modifiers(parameter):
        there_are = ", ".join(matching.modifiers(parameter)[:LISTED]) or "-"
        raise Refused(
            f"{name}: the parameter {code} has no modifier '{modifier}'; available: {there_are}",
            f"{name}: tham số {code} không có bổ tố '{modifier}'; hiện có: {there_are}",
            ignorable=True,
        )
    return Criterion(parameter, modifier or None, _values(catalogue, parameter, modifier or None, (name, text), now))


def _parameter(catalogue: Catalogue, type: str, code: str, name: str) -> Parameter:
    parameters = catalogue.parameters(type)
    parameter = parameters.get(code)
    reason = parameter.unsupported if parameter is not None else special.REASONS.get(code)
    if reason is not None:
        raise Refused(
            f"{name}: {code} is not supported, {reason[0]}: leave it out",
            f"{name}: {code} không được hỗ trợ, {reason[1]}: hãy bỏ tham số này",
            ignorable=True,
        )
    if parameter is None:
        there_are = ", ".join(searchable(parameters)[:LISTED])
        raise Refused(
            f"{name}: {type} has no search parameter '{code[:100]}'; available: {there_are}",
            f"{name}: {type} không có tham số tìm kiếm '{code[:100]}'; hiện có: {there_are}",
            ignorable=True,
        )
    return parameter


def _values(
    catalogue: Catalogue, parameter: Parameter, modifier: str | None, written: tuple[str, str], now: datetime
) -> tuple[Value, ...]:
    name, text = written
    texts = split(text, ",")
    if len(texts) > VALUES:
        raise Refused(
            f"{name}: {len(texts)} alternatives are too many: give {VALUES} at most",
            f"{name}: {len(texts)} giá trị thay thế là quá nhiều: tối đa {VALUES}",
            ignorable=False,
        )
    try:
        return tuple(dict.fromkeys(matching.read(parameter, modifier, each, catalogue.context, now) for each in texts))
    except Invalid as error:
        raise Refused(f"{name}: {error.en}", f"{name}: {error.vi}", ignorable=False) from None


def _chain(
    catalogue: Catalogue,
    parameter: Parameter,
    target: str | None,
    path: tuple[str, str],
    text: str,
    now: datetime,
    depth: int,
) -> Chain:
    name, rest = path
    if depth >= DEPTH:
        raise Refused(
            f"{name}: a chain may follow {DEPTH} references at most: shorten it",
            f"{name}: chuỗi chỉ được đi qua tối đa {DEPTH} tham chiếu: hãy rút ngắn",
            ignorable=False,
        )
    targets = parameter.targets or tuple(sorted(catalogue.context.resource_types))
    if parameter.type != "reference" or (target is not None and target not in targets):
        there_are = ", ".join(targets[:LISTED]) if parameter.type == "reference" else "-"
        raise Refused(
            f"{name}: {parameter.code} does not refer to {target or 'other resources'}; it refers to: {there_are}",
            f"{name}: {parameter.code} không tham chiếu tới {target or 'tài nguyên khác'}; nó trỏ tới: {there_are}",
            ignorable=True,
        )
    links: list[tuple[str, Criterion | Chain]] = []
    refusals: list[Refused] = []
    for type in targets if target is None else (target,):
        try:
            links.append((type, parse(catalogue, type, rest, text, now, depth + 1)))
        except Refused as refused:
            refusals.append(refused)
    # A value that one of the types cannot read is a mistake; a type without such a parameter is just not meant.
    wrong = [refused for refused in refusals if not refused.ignorable]
    if wrong or not links:
        raise (wrong or refusals)[0]
    return Chain(parameter, tuple(links))
