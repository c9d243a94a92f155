"""Constraints: an element's rules in FHIRPath as checks, compiled once.

https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.constraint

What a rule says of an object without any of the members that it names is known when it is compiled. Most rules hold
then (`start.empty() or end.empty() or start <= end`), and are not evaluated for such objects at all.
"""

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from fhir_server.fhirpath import evaluation
from fhir_server.fhirpath.around import Around
from fhir_server.fhirpath.calls import Truth
from fhir_server.fhirpath.names import Names
from fhir_server.fhirpath.syntax import Call, Member, Node, This, Typed, Unsupported, Variable, parse, parts
from fhir_server.outcome import Severity
from fhir_server.validation.references import RELATIVE
from fhir_server.validation.report import KeepsRule, Path, Walk

__all__ = ["Check", "Rule", "Unsupported", "compile", "rule", "translated"]

Json = dict[str, Any]
Check = Callable[[Any, Path, Walk], None]

TRANSLATION: Final = "http://hl7.org/fhir/StructureDefinition/translation"
BEST_PRACTICE: Final = "http://hl7.org/fhir/StructureDefinition/elementdefinition-bestpractice"
# What a function does to its focus is not to be seen from the names that an expression has.
LOOKS_EVERYWHERE: Final = frozenset({"children", "descendants", "repeat", "conformsTo"})


class Rule(NamedTuple):
    """A constraint of a type or a profile."""

    key: str
    severity: Severity
    en: str
    vi: str
    expression: str
    profile: str | None = None  # canonical URL of the profile it comes from; None: R4 itself
    best_practice: bool = False  # good advice, which is only given to who asks for it


def rule(constraint: Json, profile: str) -> Rule:
    """Read ElementDefinition.constraint; `human` may carry its Vietnamese translation."""
    human = constraint["human"]
    severity: Severity = "error" if constraint["severity"] == "error" else "warning"
    text = translated(constraint, "human") or human
    advice = any(extension.get("url") == BEST_PRACTICE for extension in constraint.get("extension", ()))
    return Rule(constraint["key"], severity, human, text, constraint.get("expression", ""), profile, advice)


def translated(element: Json, name: str) -> str | None:
    """Return the Vietnamese translation that property `name` of `element` carries as an extension."""
    for extension in element.get(f"_{name}", {}).get("extension", ()):
        if extension["url"] == TRANSLATION:
            parts = {part["url"]: part for part in extension.get("extension", ())}
            if parts.get("lang", {}).get("valueCode") == "vi":
                found = parts.get("content", {}).get("valueString")
                return found if isinstance(found, str) else None
    return None


def compile(constraint: Rule, names: Names) -> Check:
    """Return the check of `constraint`; raise Unsupported when its expression is not of what `fhirpath` compiles."""
    tree = parse(constraint.expression)
    holds = evaluation.truth(tree, names)
    key, severity, en, vi, _, profile, advice = constraint
    # R4's own rules forget that a path may be empty (bdl-8: no fullUrl); a profile's rule has to be true.
    broken = (False,) if profile is None else (False, None)
    counts = "matches(" in constraint.expression  # then it helps to hear how long the value is
    idle = _idle(tree, holds, names, broken)

    if _follows_references(tree):
        return _following(constraint, holds, broken)
    beyond, dated = _looks_beyond(tree)

    def check(value: Any, path: Path, walk: Walk) -> None:
        if idle is not None and type(value) is dict and idle.isdisjoint(value):
            return
        if advice and not walk.best_practice:
            return
        around = walk.around(value)
        if holds(value, around) not in broken or around.unknown:
            return
        text = (en, vi)
        if counts and type(value) is str:
            text = (f"{en} (this one has {len(value)} characters)", f"{vi} (giá trị này có {len(value)} ký tự)")
        walk.add(severity, "invariant", path, key, text, profile)

    if not beyond and not dated:
        return check

    def told(value: Any, path: Path, walk: Walk) -> None:
        walk.beyond += beyond
        walk.dated += dated
        check(value, path, walk)

    return told


def types_named(expression: str, types: Container[str]) -> set[str]:
    """Return which of `types` the expression asks whether something is one of (`$this is Patient`)."""
    if " is " not in expression:
        return set()
    return {node.type for node in _nodes(parse(expression)) if isinstance(node, Typed) and node.type in types}


@dataclass(frozen=True, slots=True, eq=True)
class _Later:
    """A rule on one value, to be judged when what its references lead to is known."""

    holds: Truth
    broken: tuple[bool | None, ...]
    value: Any
    resource: Json
    holder: Json
    bundle: Mapping[str, Json]
    belongs: Callable[[Any, str], bool | None] | None
    today: str | None
    ids: Mapping[str, tuple[str, str]]  # references, and the type and id in each

    def __call__(self, found: Mapping[tuple[str, str], Json]) -> bool:
        """Return whether the rule is kept with what was found; true when that is not enough to tell."""
        around = Around(
            self.resource,
            self.holder,
            self.value,
            lambda text: found.get(self.ids[text]) if text in self.ids else self.bundle.get(text),
            self.belongs,
            None,
            self.today,
        )
        return self.holds(self.value, around) not in self.broken or around.unknown


def _following(constraint: Rule, holds: Truth, broken: tuple[bool | None, ...]) -> Check:
    """Return the check of a rule that follows references: what they lead to may have to be fetched."""
    key, severity, en, vi, _, profile, advice = constraint

    def check(value: Any, path: Path, walk: Walk) -> None:
        if advice and not walk.best_practice:
            return
        walk.beyond += 1
        first, around = len(walk.sought), walk.around(value)
        kept = holds(value, around) not in broken
        if not around.unknown:
            if not kept:
                walk.add(severity, "invariant", path, key, (en, vi), profile)
            return
        ids = {text: (match[1], match[2]) for text in walk.sought[first:] if (match := RELATIVE(text))}
        if ids:
            later = _Later(
                *(holds, broken, value, walk.resource, walk.holder, walk.bundle, walk.lookups.belongs, walk.today, ids)
            )
            asked = KeepsRule(tuple(dict.fromkeys(ids.values())), later, severity, (en, vi), "", key, profile)
            walk.asked.append((asked, path))

    return check


def _follows_references(tree: Node) -> bool:
    return any(isinstance(node, Call) and node.name == "resolve" for node in _nodes(tree))


def _idle(tree: Node, holds: Truth, names: Names, broken: tuple[bool | None, ...]) -> frozenset[str] | None:
    """Return the members without which the expression holds of an object; None when that cannot be said."""
    found: set[str] = set()
    for node in _nodes(tree):
        match node:
            case Variable("resource" | "rootResource" | "context") | This():
                return None
            case Call(name) if name in LOOKS_EVERYWHERE:
                return None
            case Call("extension"):
                found.add("extension")
            case Member(name) if name in names.resources:
                return None
            case Member(name):
                every = {name, *names.choices.get(name, ())}
                found |= every | {"_" + one for one in every}
            case _:
                pass
    return None if holds({}, Around({})) in broken else frozenset(found)


def _looks_beyond(tree: Node) -> tuple[bool, bool]:
    """Return whether the expression looks at the resource around its focus, and whether at the calendar."""
    nodes = list(_nodes(tree))
    return (
        any(isinstance(node, Variable) and node.name in ("resource", "rootResource") for node in nodes),
        any(isinstance(node, Call) and node.name == "today" for node in nodes),
    )


def _nodes(tree: Node) -> Iterator[Node]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(parts(node))
