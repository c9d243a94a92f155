"""One search criterion: a parameter with its modifier and values, or a chain that leads to one, forth or back.

https://hl7.org/fhir/R4/search.html#parameters · https://hl7.org/fhir/R4/search.html#chaining ·
https://hl7.org/fhir/R4/search.html#has
"""

from dataclasses import dataclass, field
from datetime import datetime

from fhir_server.outcome import Issue
from fhir_server.search import matching
from fhir_server.search.matching import Value
from fhir_server.search.parameters import Catalogue, Parameter, searchable
from fhir_server.search.types import special
from fhir_server.search.values import Invalid, split

VALUES = 200  # alternatives of one parameter
DEPTH = 5  # references that a chain may follow, forth or back
LINKS = 300  # resource types that all steps of a chain together may lead to
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
    links: tuple[tuple[str, "Wanted"], ...]  # by resource type


@dataclass(frozen=True, slots=True)
class Reverse:
    """`_has:type:parameter:criterion`: true when a resource of `type` that satisfies the criterion refers to it."""

    target: str  # the type of what is referred to
    type: str
    parameter: Parameter  # of `type`
    criterion: "Wanted"


@dataclass(frozen=True, slots=True)
class Group:
    """Several criteria joined by "and" or "or"; or "not" one."""

    operator: str
    parts: tuple["Wanted", ...]


Wanted = Criterion | Chain | Reverse | Group


class Refused(Exception):
    """A parameter cannot be taken; `ignorable` when a lenient server may go on without it."""

    def __init__(self, en: str, vi: str, *, ignorable: bool, code: str | None = None):
        super().__init__(en)
        self.issue = Issue("error", code or ("not-supported" if ignorable else "invalid"), en, vi)
        self.ignorable = ignorable


def parse(catalogue: Catalogue, type: str, name: str, text: str, now: datetime) -> Wanted:
    """Read the parameter `name=text` of a search in `type`; raise Refused, saying why and what there is instead."""
    return _Reading(catalogue, name, text, now).criterion(type, name, 0)


@dataclass(frozen=True, slots=True)
class _Reading:
    """A parameter as the client wrote it: every refusal begins with its name."""

    catalogue: Catalogue
    name: str
    text: str
    now: datetime
    links: list[str] = field(default_factory=list)  # the types that its chains have led to so far

    def refused(self, en: str, vi: str, *, ignorable: bool) -> Refused:
        return Refused(f"{self.name[:200]}: {en}", f"{self.name[:200]}: {vi}", ignorable=ignorable)

    def criterion(self, type: str, path: str, depth: int) -> Wanted:
        """Read the part `path` of the name, which begins at `type` after `depth` references."""
        if path.startswith("_has:"):
            return self.reverse(type, path, depth)
        if path == "_list":
            return self.member_of_list(type)
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
        require_built(self.name, parameter)
        reason = parameter.unsupported if parameter is not None else special.REASONS.get(code)
        if reason is not None:
            raise self.refused(
                f"{code} is not supported, {reason[0]}: {special.remedy(code)[0]}",
                f"{code} không được hỗ trợ, {reason[1]}: {special.remedy(code)[1]}",
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
        self.bound(depth)
        targets = parameter.targets or tuple(sorted(self.catalogue.context.resource_types))
        if parameter.type != "reference" or (target is not None and target not in targets):
            there_are = ", ".join(targets[:LISTED]) if parameter.type == "reference" else "-"
            raise self.refused(
                f"{parameter.code} does not refer to {target or 'other resources'}; it refers to: {there_are}",
                f"{parameter.code} không tham chiếu tới {target or 'tài nguyên khác'}; nó trỏ tới: {there_are}",
                ignorable=True,
            )
        links: list[tuple[str, Wanted]] = []
        refusals: list[Refused] = []
        for type in targets if target is None else (target,):
            self.count(type)
            try:
                links.append((type, self.criterion(type, rest, depth + 1)))
            except Refused as refused:
                refusals.append(refused)
        # A value that one of the types cannot read is a mistake; a type without such a parameter is just not meant.
        wrong = [refused for refused in refusals if not refused.ignorable]
        if wrong or not links:
            raise (wrong or refusals)[0]
        return Chain(parameter, tuple(links))

    def reverse(self, target: str, path: str, depth: int) -> Reverse:
        """Read `_has:Type:parameter:criterion`, which asks for what refers to resources of type `target`."""
        self.bound(depth)
        _, type, code, rest = (*path.split(":", 3), "", "", "")[:4]
        if type not in self.catalogue.context.resource_types or not code or not rest:
            raise self.refused(
                "write _has:Type:reference:parameter=value, such as _has:Immunization:patient:date=2024",
                "hãy viết _has:Loại:tham-chiếu:tham-số=giá-trị, ví dụ _has:Immunization:patient:date=2024",
                ignorable=True,
            )
        parameter = self.parameter(type, code)
        if parameter.type != "reference" or target not in (parameter.targets or self.catalogue.context.resource_types):
            known = self.catalogue.parameters(type)
            there_are = ", ".join(each for each in searchable(known) if refers(known[each], target)) or "-"
            raise self.refused(
                f"{code} of {type} does not refer to {target}; what does: {there_are}",
                f"{code} của {type} không tham chiếu tới {target}; có thể dùng: {there_are}",
                ignorable=True,
            )
        self.count(type)
        return Reverse(target, type, parameter, self.criterion(type, rest, depth + 1))

    def member_of_list(self, target: str) -> Reverse:
        """Read `_list=id`: what the items of that List refer to."""
        item = self.parameter("List", "item")
        return Reverse(target, "List", item, Criterion(self.parameter("List", "_id"), None, self.list_ids()))

    def list_ids(self) -> tuple[Value, ...]:
        if self.text.startswith("$"):
            raise self.refused(
                "functional lists such as $current-problems are not supported: give the id of a List",
                "chưa hỗ trợ danh sách chức năng như $current-problems: hãy gửi id của một List",
                ignorable=True,
            )
        return self.values(self.parameter("List", "_id"), None)

    def bound(self, depth: int) -> None:
        """Raise Refused when `depth` references have been followed already and no more may be."""
        if depth >= DEPTH:
            raise self.refused(
                f"a chain may follow {DEPTH} references at most: shorten it",
                f"chuỗi chỉ được đi qua tối đa {DEPTH} tham chiếu: hãy rút ngắn",
                ignorable=False,
            )

    def count(self, type: str) -> None:
        """Note that a chain leads to `type`; raise Refused when it branches too much."""
        self.links.append(type)
        if len(self.links) > LINKS:
            raise self.refused(
                f"the chain may lead to more than {LINKS} kinds of resources: name them, as in subject:Patient.name",
                f"chuỗi có thể dẫn tới hơn {LINKS} loại tài nguyên: hãy nêu rõ loại, ví dụ subject:Patient.name",
                ignorable=False,
            )


def require_built(name: str, *parameters: Parameter | None) -> None:
    """Raise Refused when the index of one of `parameters` is still being made; `name` is what the client wrote.

    This is not to be ignored, not even along a chain to several types: the search would silently find too little.
    """
    for parameter in parameters:
        if parameter is not None and parameter.building is not None:
            en, vi = parameter.building.reason
            raise Refused(
                f"{name[:200]}: {parameter.code} cannot be searched yet: {en}",
                f"{name[:200]}: chưa tìm theo {parameter.code} được: {vi}",
                ignorable=False,
                code="transient",
            )


def refers(parameter: Parameter, target: str) -> bool:
    """True when `parameter` is a reference that can be searched and can point at resources of type `target`."""
    usable = parameter.type == "reference" and parameter.unsupported is None
    return usable and (not parameter.targets or target in parameter.targets)
