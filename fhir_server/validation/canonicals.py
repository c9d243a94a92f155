"""Conformance resources: what the words of R4 ask of them beyond its constraints.

https://hl7.org/fhir/R4/conformance-module.html · https://hl7.org/fhir/R4/terminology-module.html
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

from fhir_server.definitions import Definitions
from fhir_server.definitions.model import Member
from fhir_server.validation import rules, values
from fhir_server.validation.references import CORE
from fhir_server.validation.report import Path, Walk, below, shown
from fhir_server.validation.rules import Node
from terminology.concepts import CHILD, MAX_ABOVE, PARENT, USUALLY_ABOVE, Hierarchy

Json = dict[str, Any]
Found = tuple[str, Path, str, str]  # rule, place, en, vi

ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+").fullmatch
TYPES: Final = frozenset(
    {"CapabilityStatement", "CodeSystem", "ConceptMap", "SearchParameter", "StructureDefinition", "ValueSet"}
)
TRUE_OR_FALSE: Final = frozenset({"notSelectable", "inactive"})  # https://hl7.org/fhir/R4/codesystem.html#concept


class Trees(Protocol):
    """What a StructureDefinition asks of the profiles."""

    def tree(self, url: str) -> Node | None:
        """Return the rules of a profile as a tree, or None when it is not known."""


def check(value: Json, path: Path, walk: Walk, definitions: Definitions, trees: Trees) -> None:
    """Check a resource of one of `TYPES`. What is wrong in its shape has been reported and is passed over."""
    found: Iterator[Found]
    match value["resourceType"]:
        case "CapabilityStatement":
            found = _capabilities(value, path, definitions)
        case "CodeSystem":
            found = _code_system(value, path, sound=all(issue.severity != "error" for issue in walk.issues))
        case "ConceptMap":
            found = _concept_map(value, path, definitions)
        case "SearchParameter":
            found = _search_parameter(value, path, definitions)
        case "StructureDefinition":
            found = _profile(value, path, definitions, trees)
        case _:
            found = _value_set(value, path)
    for rule, at, en, vi in (*_url(value, path), *found):
        walk.error("business-rule", at, rule, en, vi)


def _objects(holder: Any, name: str, path: Path) -> Iterator[tuple[Json, Path]]:
    """Yield the objects in the array `name`, with their places."""
    listed = holder.get(name) if type(holder) is dict else None
    for index, one in enumerate(listed if type(listed) is list else ()):
        if type(one) is dict:
            yield one, below(path, name, index)


def _url(value: Json, path: Path) -> Iterator[Found]:
    url = value.get("url")
    if type(url) is str and not ABSOLUTE(url):
        yield (
            "CanonicalResource.url:absolute",
            below(path, "url"),
            f"'{shown(url)}' is not an absolute URI: write the URL by which others refer to this definition",
            f"'{shown(url)}' không phải URI tuyệt đối: hãy ghi URL mà nơi khác dùng để tham chiếu định nghĩa này",
        )


def _value_set(value: Json, path: Path) -> Iterator[Found]:
    at = below(path, "compose")
    compose = value.get("compose")
    for name in ("include", "exclude"):
        for part, place in _objects(compose, name, at):
            system = part.get("system")
            if type(system) is str and not ABSOLUTE(system):
                yield (
                    "ValueSet.compose.include.system:absolute",
                    below(place, "system"),
                    f"'{shown(system)}' is not an absolute URI: write the canonical URL of the code system",
                    f"'{shown(system)}' không phải URI tuyệt đối: hãy ghi URL chuẩn của hệ mã",
                )
            for condition, filter_at in _objects(part, "filter", place):
                yield from _filter(condition, filter_at)


def _filter(condition: Json, path: Path) -> Iterator[Found]:
    name, value = condition.get("property"), condition.get("value")
    if name in TRUE_OR_FALSE and condition.get("op") == "=" and value not in (None, "true", "false"):
        yield (
            "ValueSet.compose.include.filter.value:boolean",
            below(path, "value"),
            f"The property {name} is true or false, never '{shown(value)}': write one of the two",
            f"Thuộc tính {name} chỉ là true hoặc false, không phải '{shown(value)}': hãy ghi một trong hai",
        )


def _code_system(value: Json, path: Path, *, sound: bool) -> Iterator[Found]:
    if "supplements" in value and value.get("content") != "supplement":
        yield (
            "CodeSystem.content:supplement",
            below(path, "content"),
            "A CodeSystem that supplements another one has the content 'supplement': correct it, or remove supplements",
            "CodeSystem bổ sung cho hệ mã khác phải có content là 'supplement': hãy sửa, hoặc bỏ supplements",
        )
    kinds: dict[str, str] = {}
    for one, at in _objects(value, "property", path):
        code, kind = one.get("code"), one.get("type")
        if type(code) is not str or type(kind) is not str:
            continue
        if code in kinds:
            yield (
                "CodeSystem.property.code:once",
                at,
                f"The property '{shown(code)}' is defined twice: remove one of the two",
                f"Thuộc tính '{shown(code)}' được định nghĩa hai lần: hãy bỏ một",
            )
        kinds.setdefault(code, kind)
    if kinds:
        yield from _values_of_properties(value, path, kinds)
    if sound and kinds.keys() & {PARENT, CHILD}:  # what is only nested is as deep as JSON may be
        yield from _hierarchy(value, path)


def _hierarchy(value: Json, path: Path) -> Iterator[Found]:
    hierarchy = Hierarchy()
    hierarchy.add(value)
    code = hierarchy.overgrown()
    if code is not None:
        yield (
            "CodeSystem.concept:hierarchy",
            below(path, "concept"),
            f"'{shown(code)}' lies below too many concepts: {MAX_ABOVE:,} at most, and {USUALLY_ABOVE} on the average; "
            "is a list written as a chain? Correct the properties parent and child",
            f"'{shown(code)}' nằm dưới quá nhiều khái niệm: tối đa {MAX_ABOVE:,}, trung bình {USUALLY_ABOVE}; "
            "có danh sách nào bị ghi thành chuỗi không? Hãy sửa các thuộc tính parent và child",
        )


def _values_of_properties(value: Json, path: Path, kinds: Mapping[str, str]) -> Iterator[Found]:
    """Yield the concepts' properties whose value has another type than the system declares."""
    waiting = list(_objects(value, "concept", path))
    while waiting:
        concept, at = waiting.pop()
        waiting.extend(_objects(concept, "concept", at))
        for one, place in _objects(concept, "property", at):
            kind = kinds.get(str(one.get("code")))
            told = next((name for name in one if name.startswith("value")), None)
            wanted = f"value{kind[:1].upper()}{kind[1:]}" if kind is not None else None
            if wanted is not None and told is not None and told != wanted:
                yield (
                    "CodeSystem.concept.property.value:type",
                    place,
                    f"The property '{shown(one['code'])}' is declared as {kind}: write {wanted}",
                    f"Thuộc tính '{shown(one['code'])}' được khai báo kiểu {kind}: hãy ghi {wanted}",
                )


def _concept_map(value: Json, path: Path, definitions: Definitions) -> Iterator[Found]:
    """Yield the codes that the source value set, all of whose codes are known, does not have."""
    source = value.get("sourceCanonical") or value.get("sourceUri")
    codes = definitions.codes(source) if type(source) is str else None
    if codes is None:
        return
    for group, at in _objects(value, "group", path):
        system = group.get("source")
        members = codes.get(system, frozenset()) if type(system) is str else None
        for element, place in _objects(group, "element", at):
            code = element.get("code")
            if members is not None and type(code) is str and code not in members:
                yield (
                    "ConceptMap.group.element.code:source",
                    below(place, "code"),
                    f"'{shown(code)}' is not in the source value set {shown(source)}: correct the code or the source",
                    f"'{shown(code)}' không thuộc tập giá trị nguồn {shown(source)}: hãy sửa mã hoặc nguồn",
                )


def _searched(url: str, definitions: Definitions) -> tuple[str | None, frozenset[str]]:
    """Return the type of the search parameter `url` and the resource types that it is for; (None, …) when unknown."""
    kind, bases = None, set()
    for type in definitions.resource_types:
        for parameter in definitions.search_parameters(type).values():
            if parameter.url == url:
                kind = parameter.type
                bases.add(type)
    return kind, frozenset(bases)


def _search_parameter(value: Json, path: Path, definitions: Definitions) -> Iterator[Found]:
    """Yield in what a search parameter differs from the one that it derives from."""
    origin = value.get("derivedFrom")
    if type(origin) is not str:
        return
    kind, bases = _searched(origin.partition("|")[0], definitions)
    if kind is None:
        return
    if type(value.get("type")) is str and value["type"] != kind:
        yield _another_type(value["type"], kind, origin, below(path, "type"))
    wanted = value.get("base")
    strangers = [one for one in wanted if one not in bases] if type(wanted) is list else []
    if strangers and {"Resource", "DomainResource"}.isdisjoint(map(str, strangers)):
        names = ", ".join(shown(one) for one in strangers)
        yield (
            "SearchParameter.base:derivedFrom",
            below(path, "base"),
            f"{shown(origin)} is not for {names}: a parameter derived from it is for the same types or fewer",
            f"{shown(origin)} không dành cho {names}: tham số dẫn xuất chỉ dùng cho các loại của tham số gốc",
        )


def _another_type(told: str, kind: str, definition: str, path: Path) -> Found:
    return (
        "SearchParameter.type:definition",
        path,
        f"{shown(definition)} is a {kind} parameter, not {shown(told)}: write {kind}",
        f"{shown(definition)} là tham số kiểu {kind}, không phải {shown(told)}: hãy ghi {kind}",
    )


def _capabilities(value: Json, path: Path, definitions: Definitions) -> Iterator[Found]:
    """Yield the search parameters whose type is not that of their definition."""
    for rest, at in _objects(value, "rest", path):
        for resource, place in _objects(rest, "resource", at):
            kind = resource.get("type")
            if type(kind) is not str or kind not in definitions.resource_types:
                continue
            kinds = {one.url: one.type for one in definitions.search_parameters(kind).values()}
            for parameter, here in _objects(resource, "searchParam", place):
                defined = kinds.get(str(parameter.get("definition")).partition("|")[0])
                told = parameter.get("type")
                if defined is not None and type(told) is str and told != defined:
                    yield _another_type(told, defined, parameter["definition"], below(here, "type"))


def _profile(value: Json, path: Path, definitions: Definitions, trees: Trees) -> Iterator[Found]:
    """Yield the elements of a profile that its type does not have, and values that the base fixes otherwise."""
    kind, base = value.get("type"), value.get("baseDefinition")
    definition = definitions.type(kind) if type(kind) is str else None
    if value.get("derivation") != "constraint":
        return
    if definition is None:
        if value.get("kind") != "logical" and type(kind) is str:
            yield (
                "StructureDefinition.type:base",
                below(path, "type"),
                f"{shown(kind)} is no type of R4: a profile is of a type that there is",
                f"R4 không có kiểu {shown(kind)}: hồ sơ phải dành cho một kiểu đã có",
            )
        return
    if value.get("url") == f"{CORE}{definition.name}":
        yield (
            "StructureDefinition.url:base",
            below(path, "url"),
            f"R4 itself defines {definition.name} by this URL: give the profile a URL of its own",
            f"URL này là định nghĩa {definition.name} của chính R4: hãy đặt URL riêng cho hồ sơ",
        )
        return
    inherited = trees.tree(base.partition("|")[0]) if type(base) is str else None
    for element, at in _objects(value.get("differential"), "element", below(path, "differential")):
        steps = element.get("path")
        if type(steps) is not str:
            continue
        missing = _missing(steps, definition.name, definition.members, definitions)
        if missing is not None:
            yield (
                "ElementDefinition.path:base",
                below(at, "path"),
                f"{shown(steps)}: {shown(missing)} is no element there: correct the path",
                f"{shown(steps)}: không có phần tử {shown(missing)} ở đó: hãy sửa đường dẫn",
            )
            continue
        if inherited is not None:
            yield from _fixed(element, at, inherited)
        if steps.endswith((".extension", ".modifierExtension")):
            yield from _discriminators(element, at, definitions)


def _discriminators(element: Json, path: Path, definitions: Definitions) -> Iterator[Found]:
    """Yield the discriminators of sliced extensions that lead to no element of an extension."""
    extension = definitions.type("Extension")
    members = extension.members if extension is not None else {}
    for one, at in _objects(element.get("slicing"), "discriminator", below(path, "slicing")):
        steps = one.get("path")
        if type(steps) is not str or "(" in steps or steps.startswith("$"):
            continue  # functions lead elsewhere
        missing = _missing(f"Extension.{steps}", "Extension", members, definitions)
        if missing is not None:
            yield (
                "ElementDefinition.slicing.discriminator.path:base",
                below(at, "path"),
                f"An extension has no element {shown(missing)}: slice extensions by url",
                f"Phần mở rộng không có phần tử {shown(missing)}: hãy phân lát theo url",
            )


def _missing(steps: str, kind: str, members: Mapping[str, Member], definitions: Definitions) -> str | None:
    """Return the first name in a path that is no element; None when all are, as far as can be told."""
    root, *names = steps.split(".")
    if root != kind:
        return root
    for name in names:
        member = next((one for key, one in members.items() if name in (key, one.element.name)), None)
        if member is None:
            return name
        if member.type == "Resource" or (name.endswith("[x]") and name == member.element.name):
            return None  # what lies below depends on the type that is chosen
        primitive = definitions.type(member.type)
        if primitive is not None and primitive.kind == "primitive-type":
            return None  # id, extension and value
        members = definitions.members(member)
    return None


def _fixed(element: Json, path: Path, inherited: Node) -> Iterator[Found]:
    """Yield a fixed value that is not the one of the profile that this one derives from."""
    name = next((key for key in element if key.startswith("fixed")), None)
    if name is None or not isinstance(element.get("id", ""), str):
        return
    node: Node | None = inherited
    for step, slices in rules.steps(element):
        node = node.children.get(step) if node is not None else None
        for slice in slices:
            node = node.slices.get(slice) if node is not None else None
    for demanded in node.fixed if node is not None else ():
        if not values.same(element[name], demanded.value):
            yield (
                "ElementDefinition.fixed:base",
                below(path, name),
                f"{demanded.profile} fixes another value, {shown(demanded.value)}: a profile may not change it",
                f"{demanded.profile} đã cố định giá trị khác, {shown(demanded.value)}: hồ sơ dẫn xuất không được đổi",
            )
