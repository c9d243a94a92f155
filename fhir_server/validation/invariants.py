"""Constraints: an element's rules in FHIRPath as checks, compiled once.

https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.constraint

What a rule says of an object without any of the members that it names is known when it is compiled. Most rules hold
then (`start.empty() or end.empty() or start <= end`), and are not evaluated for such objects at all.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from fhir_server.fhirpath import evaluation
from fhir_server.fhirpath.around import Around
from fhir_server.fhirpath.calls import Evaluate, Truth
from fhir_server.fhirpath.functions import logical
from fhir_server.fhirpath.names import Names
from fhir_server.fhirpath.syntax import Call, Member, Node, This, Typed, Unsupported, Variable, parse, parts
from fhir_server.outcome import Severity
from fhir_server.validation.references import RELATIVE
from fhir_server.validation.report import KeepsRule, Path, Walk

__all__ = ["Check", "Compiled", "Rule", "Unsupported", "check", "compile", "rule", "translated"]

Json = dict[str, Any]
Check = Callable[[Any, Path, Walk], None]

TRANSLATION: Final = "http://hl7.org/fhir/StructureDefinition/translation"
BEST_PRACTICE: Final = "http://hl7.org/fhir/StructureDefinition/elementdefinition-bestpractice"
# Writing a function pays when it is asked more often; many rules of R4 never are.
SELDOM: Final = 4
# Of each check: objects have few different sets of members, unless somebody invents names.
MAX_SHAPES: Final = 64
MAX_NAMES: Final = 1024  # characters of all names of an object
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


class Compiled:
    """A rule that is ready to be asked."""

    __slots__ = (
        *("_asked", "_general", "_names", "_tree"),
        *("alone", "beyond", "broken", "dated", "holds", "idle", "plain", "said"),
    )

    def __init__(self, said: Rule, tree: Node, names: Names, general: Evaluate, broken: tuple[bool | None, ...]):
        self.said = said
        self.broken = broken  # the answers that break it
        self.idle: frozenset[str] | None = None  # the members without which it holds; None: that cannot be said
        self.beyond = self.dated = False  # whether it looks at the resource around its value, and at the calendar
        self.plain = True  # neither of these, nor mere advice
        self.alone: Check | None = None  # what is to be asked instead of `holds`, which is not all

        self._tree, self._names, self._general, self._asked = tree, names, general, 0
        self.holds: Truth = self._first

    def _first(self, value: Any, around: Around) -> bool | None:
        self._asked += 1
        if self._asked > SELDOM:
            self.holds = evaluation.truth(self._tree, self._names)
        return logical(self._general([value], around))


def compile(constraint: Rule, names: Names) -> Compiled:
    """Return `constraint` compiled; raise Unsupported when its expression is not of what `fhirpath` compiles."""
    tree = parse(constraint.expression)
    general = evaluation.compile(tree, names)
    # R4's own rules forget that a path may be empty (bdl-8: no fullUrl); a profile's rule has to be true.
    broken = (False,) if constraint.profile is None else (False, None)
    compiled = Compiled(constraint, tree, names, general, broken)
    if _follows_references(tree):
        compiled.alone = _following(compiled)
        return compiled
    compiled.idle = _idle(tree, general, names, broken)
    compiled.beyond, compiled.dated = _looks_beyond(tree)
    compiled.plain = not (compiled.beyond or compiled.dated or constraint.best_practice)
    return compiled


def check(rules: Sequence[Compiled]) -> Check:
    """Return the check of a value by all of `rules`."""
    every = tuple(rules)
    of_shape: dict[tuple[str, ...], tuple[Compiled, ...]] = {}  # by the members of an object, those that it may break

    def breakable(value: Json) -> tuple[Compiled, ...]:
        shape = tuple(value)
        found = of_shape.get(shape)
        if found is None:
            found = tuple(rule for rule in every if rule.idle is None or not rule.idle.isdisjoint(value))
            if sum(map(len, shape)) <= MAX_NAMES:
                if len(of_shape) >= MAX_SHAPES:
                    of_shape.clear()
                of_shape[shape] = found
        return found

    def check(value: Any, path: Path, walk: Walk) -> None:
        around: Around | None = None
        for rule in breakable(value) if type(value) is dict else every:
            if rule.alone is not None:
                rule.alone(value, path, walk)
                continue
            if not rule.plain:
                if rule.said.best_practice and not walk.best_practice:
                    continue
                walk.beyond += rule.beyond
                walk.dated += rule.dated
            if around is None or around.unknown:
                around = walk.around(value)
            if rule.holds(value, around) in rule.broken and not around.unknown:
                _tell(rule.said, value, path, walk)

    return check


def _tell(said: Rule, value: Any, path: Path, walk: Walk) -> None:
    text = (said.en, said.vi)
    if type(value) is str and "matches(" in said.expression:  # then it helps to hear how long the value is
        text = (
            f"{said.en} (this one has {len(value)} characters)",
            f"{said.vi} (giá trị này có {len(value)} ký tự)",
        )
    walk.add(said.severity, "invariant", path, said.key, text, said.profile)


def types_named(expression: str, types: Container[str]) -> set[str]:
    """Return which of `types` the expression asks whether something is one of (`$this is Patient`)."""
    if " is " not in expression:
        return set()
    return {node.type for node in _nodes(parse(expression)) if isinstance(node, Typed) and node.type in types}


@dataclass(slots=True)
class _Later:
    """A rule on one value, to be judged when what its references lead to is known."""

    rule: Compiled
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
        return self.rule.holds(self.value, around) not in self.rule.broken or around.unknown


def _following(rule: Compiled) -> Check:
    """Return the check of a rule that follows references: what they lead to may have to be fetched."""
    said = rule.said

    def check(value: Any, path: Path, walk: Walk) -> None:
        if said.best_practice and not walk.best_practice:
            return
        walk.beyond += 1
        first, around = len(walk.sought), walk.around(value)
        kept = rule.holds(value, around) not in rule.broken
        if not around.unknown:
            if not kept:
                _tell(said, value, path, walk)
            return
        ids = {text: (match[1], match[2]) for text in walk.sought[first:] if (match := RELATIVE(text))}
        if ids:
            needed = tuple(dict.fromkeys(ids.values()))
            later = _Later(rule, value, walk.resource, walk.holder, walk.bundle, walk.lookups.belongs, walk.today, ids)
            asked = KeepsRule(needed, later, said.severity, (said.en, said.vi), path, said.key, said.profile)
            walk.asked.append(asked)

    return check


def _follows_references(tree: Node) -> bool:
    return any(isinstance(node, Call) and node.name == "resolve" for node in _nodes(tree))


def _idle(tree: Node, general: Evaluate, names: Names, broken: tuple[bool | None, ...]) -> frozenset[str] | None:
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
    return None if logical(general([{}], Around({}))) in broken else frozenset(found)


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
