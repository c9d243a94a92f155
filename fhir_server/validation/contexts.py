"""Contexts of extensions: on which elements one may stand, told by names, by the extension around it, by expressions;
and the rules that such an element has to keep.

https://hl7.org/fhir/R4/defining-extensions.html#context
"""

from dataclasses import dataclass
from typing import Any, Final

from fhir_server.definitions import Definitions
from fhir_server.fhirpath import evaluation
from fhir_server.fhirpath.calls import Evaluate
from fhir_server.fhirpath.functions import Bare, logical
from fhir_server.fhirpath.syntax import Unsupported
from fhir_server.validation.profile import Profiles
from fhir_server.validation.report import Path, Walk, shown

Json = dict[str, Any]

# R4's own StructureDefinitions have this one on the type, not on its code as its definition says.
ERRATA: Final = {"http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type": "ElementDefinition.type"}
ANYWHERE: Final = frozenset({"Element", "Resource", "CanonicalResource", "MetadataResource"})


@dataclass(frozen=True, slots=True)
class Allowed:
    """Where an extension may stand."""

    elements: frozenset[str]  # element paths and types
    extensions: frozenset[str]  # URLs of extensions around it
    queries: tuple[str, ...]  # expressions on the resource that find the elements


def read(definitions: Definitions, url: str) -> Allowed | None:
    """Return where extension `url` may stand; None when it may anywhere."""
    told: dict[str, list[str]] = {"element": [], "extension": [], "fhirpath": []}
    for context in (definitions.profile(url) or {}).get("context", ()):
        told.get(str(context.get("type")), []).append(str(context.get("expression")))
    elements = {*told["element"], *([ERRATA[url]] if url in ERRATA else [])}
    if elements & ANYWHERE or not any(told.values()):
        return None
    return Allowed(frozenset(elements), frozenset(told["extension"]), tuple(told["fhirpath"]))


def around(allowed: Allowed, place: Path, walk: Walk) -> bool:
    """Return whether the element at `place` is an extension that `allowed` names."""
    if not allowed.extensions or place[1] not in ("extension", "modifierExtension"):
        return False
    owner = _value(place, walk)
    return type(owner) is dict and owner.get("url") in allowed.extensions


class Queries:
    """The expressions of contexts, compiled for the resource types that they are asked of."""

    def __init__(self, profiles: Profiles):
        self._profiles = profiles
        self._compiled: dict[tuple[str, str], Evaluate | None] = {}

    def find(self, allowed: Allowed, place: Path, walk: Walk) -> bool:
        """Return whether an expression finds the element at `place`; true when that cannot be told here."""
        if not allowed.queries:
            return False
        walk.beyond += 1
        owner = _value(place, walk)
        near = walk.around(walk.resource)
        for text in allowed.queries:
            query = self._query(text, str(walk.resource.get("resourceType")))
            if query is None or owner is None:
                return True
            found = query([walk.resource], near)
            if any(one is owner or (type(one) is Bare and one.extras is owner) for one in found):
                return True
        return near.unknown

    def _query(self, text: str, type: str) -> Evaluate | None:
        if (text, type) not in self._compiled:
            try:
                query = evaluation.compile(text, self._profiles.names(type))
            except Unsupported:
                query = None
            self._compiled[text, type] = query
        return self._compiled[text, type]


class Conditions:
    """The rules on what holds an extension (contextInvariant), compiled for the resource types they are asked of.

    https://hl7.org/fhir/R4/structuredefinition-definitions.html#StructureDefinition.contextInvariant
    """

    def __init__(self, profiles: Profiles):
        self._profiles = profiles
        self._texts: dict[str, tuple[str, ...]] = {}
        self._compiled: dict[tuple[str, str], Evaluate | None] = {}

    def check(self, url: str, extension: Json, path: Path, walk: Walk) -> None:
        """Check that the element around extension `url` keeps the rules of its definition."""
        texts = self.texts(url)
        if not texts or path[0] is None:
            return
        walk.beyond += 1
        owner = _value(path[0], walk)
        for text in texts if owner is not None else ():
            rule = self._rule(text, str(walk.resource.get("resourceType")))
            if rule is None:
                _unchecked(url, text, path, walk)
                continue
            near = walk.around(extension)
            if logical(rule([owner], near)) is not True and not near.unknown:
                _unkept(url, text, path, walk)

    def texts(self, url: str) -> tuple[str, ...]:
        """Return the rules of extension `url`, as expressions."""
        if url not in self._texts:
            told = (self._profiles.definitions.profile(url) or {}).get("contextInvariant", ())
            self._texts[url] = tuple(map(str, told))
        return self._texts[url]

    def _rule(self, text: str, type: str) -> Evaluate | None:
        """Return a rule compiled: the focus is the element, and the extension what %context means there."""
        if (text, type) not in self._compiled:
            try:
                if "%context" in text:
                    raise Unsupported("%context beside %extension")
                rule = evaluation.compile(text.replace("%extension", "%context"), self._profiles.names(type))
            except Unsupported:
                rule = None
            self._compiled[text, type] = rule
        return self._compiled[text, type]


def _unkept(url: str, text: str, path: Path, walk: Walk) -> None:
    walk.error(
        "extension",
        path,
        "Extension.url:contextInvariant",
        f"The extension {shown(url)} may stand only where this is true: {text}",
        f"Chỉ được dùng phần mở rộng {shown(url)} ở nơi thỏa điều kiện: {text}",
        url,
    )


def _unchecked(url: str, text: str, path: Path, walk: Walk) -> None:
    walk.add(
        "information",
        "not-supported",
        path,
        "Extension.url:contextInvariant",
        (
            f"The rule of {shown(url)} on what holds it is not checked here: {text}",
            f"Quy tắc của {shown(url)} về phần tử chứa nó chưa được kiểm tra ở đây: {text}",
        ),
        url,
    )


def _value(place: Path, walk: Walk) -> Any:
    """Return what lies at `place`: of a primitive its value, else what stands beside it; None: not known."""
    steps = []
    here: Path | None = place
    while here is not None and here is not walk.base:
        steps.append((here[1], here[2]))
        here = here[0]
    if here is None:
        return None
    value: Any = walk.resource
    beside: Any = None
    for step, index in reversed(steps):
        name, _, kind = step.partition(".ofType(")
        name += f"{kind[:1].upper()}{kind[1:-1]}"
        owner = value if type(value) is dict else beside if type(beside) is dict else {}
        value, beside = (_item(owner.get(each), index) for each in (name, f"_{name}"))
    return beside if value is None else value


def _item(value: Any, index: int | None) -> Any:
    if index is None:
        return value
    return value[index] if type(value) is list and index < len(value) else None
