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


def parse(catalogue: Catalogue, type: str, name: str, text: str, now: datetime) -> Criterion | Chain:
    """Read the parameter `name=text` of a search in `type`; raise Refused, saying why and what there is instead."""
    return _Reading(catalogue, name, text, now).criterion(type, name, 0)


@dataclass(frozen=True, slots=True)
class _Reading:
    """A parameter as the client wrote it: every refusal begins with its name."""

    catalogue: Catalogue
    name: str
    text: str
    now: datetime

    def refused(self, en: str, vi: str, *, ignorable: bool) -> Refused:
        return Refused(f"{self.name[:200]}: {en}", f"{self.name[:200]}: {vi}", ignorable=ignorable)

    def criterion(self, type: str, path: str, depth: int) -> Criterion | Chain:
        """Read the part `path` of the name, which begins at `type` after `depth` references."""
        head, dot, rest = path.partition(".")
        code, colon, modifier = head.partition(":")
        parameter = self.parameter(type, code)
        if dot:
            return self.chain(parameter, modifier if colon else None, rest, depth)
        if colon and modifier not in matching.modifiers(parameter):
            there_are = ", ".join(matching.modifiers(parameter)[:LISTED]) or "-"
            raise self.refused(
                f"the parameter {code} has no modifier '{modifier[:100]}'; available: {there_are}",
                f"tham số {code} không có bổ tố '{modifier[:100]}'; hiện có: {there_are}",
                ignorable=True,
            )
        return Criterion(parameter, modifier or None, self.values(parameter, modifier or None))

    def parameter(self, type: str, code: str) -> Parameter:
        """Return the parameter of `type` called `code`, which can be searched."""
        parameters = self.catalogue.parameters(type)
        parameter = parameters.get(code)
        reason = parameter.unsupported if parameter is not None else special.REASONS.get(code)
        if reason is not None:
            raise self.refused(
                f"{code} is not supported, {reason[0]}: leave it out",
                f"{code} không được hỗ trợ, {reason[1]}: hãy bỏ tham số này",
                ignorable=True,
            )
        if parameter is None:
            there_are = ", ".join(searchable(parameters)[:LISTED])
            raise self.refused(
                f"{type} has no search parameter '{code[:100]}'; available: {there_are}",
                f"{type} không có tham số tìm kiếm '{code[:100]}'; hiện có: {there_are}",
                ignorable=True,
            )
        return parameter

    def values(self, parameter: Parameter, modifier: str | None) -> tuple[Value, ...]:
        """Read the alternatives, each once."""
        texts = split(self.text, ",")
        if len(texts) > VALUES:
            raise self.refused(
                f"{len(texts)} alternatives are too many: give {VALUES} at most",
                f"{len(texts)} giá trị thay thế là quá nhiều: tối đa {VALUES}",
                ignorable=False,
            )
        context = self.catalogue.context
        try:
            found = [matching.read(parameter, modifier, each, context, self.now) for each in texts]
        except Invalid as error:
            raise self.refused(error.en, error.vi, ignorable=False) from None
        return tuple(dict.fromkeys(found))

    def chain(self, parameter: Parameter, target: str | None, rest: str, depth: int) -> Chain:
        """Read what `parameter` leads to: in every type that it can point at, or in `target`."""
        if depth >= DEPTH:
            raise self.refused(
                f"a chain may follow {DEPTH} references at most: shorten it",
                f"chuỗi chỉ được đi qua tối đa {DEPTH} tham chiếu: hãy rút ngắn",
                ignorable=False,
            )
        targets = parameter.targets or tuple(sorted(self.catalogue.context.resource_types))
        if parameter.type != "reference" or (target is not None and target not in targets):
            there_are = ", ".join(targets[:LISTED]) if parameter.type == "reference" else "-"
            raise self.refused(
                f"{parameter.code} does not refer to {target or 'other resources'}; it refers to: {there_are}",
                f"{parameter.code} không tham chiếu tới {target or 'tài nguyên khác'}; nó trỏ tới: {there_are}",
                ignorable=True,
            )
        links: list[tuple[str, Criterion | Chain]] = []
        refusals: list[Refused] = []
        for type in targets if target is None else (target,):
            try:
                links.append((type, self.criterion(type, rest, depth + 1)))
            except Refused as refused:
                refusals.append(refused)
        # A value that one of the types cannot read is a mistake; a type without such a parameter is just not meant.
        wrong = [refused for refused in refusals if not refused.ignorable]
        if wrong or not links:
            raise (wrong or refusals)[0]
        return Chain(parameter, tuple(links))
