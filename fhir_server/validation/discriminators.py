"""Discriminators: which slice of an element a value belongs to.

https://hl7.org/fhir/R4/profiling.html#discriminator

By value, pattern, existence, type and profile, at paths of names, extension(url), ofType(type) and resolve().
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from fhir_server.definitions import Definitions
from fhir_server.fhirpath.syntax import Call, Literal, Member, Node, Step, This, Typed, Unsupported, parse, type_name
from fhir_server.validation import rules, values
from fhir_server.validation.references import CORE, literal_type
from fhir_server.validation.report import Walk

Json = dict[str, Any]
Belongs = Callable[[Any, Walk], bool]
Find = Callable[[list[Any], Walk], list[Any]]

BY_URL: tuple[Json, ...] = ({"type": "value", "path": "url"},)


@dataclass(frozen=True, slots=True)
class Has:
    """Does the value have one of these texts as its property? As most slices are told: by a system, a use, a URL."""

    name: str
    texts: frozenset[str]

    def __call__(self, value: Any, walk: Walk) -> bool:
        """Return whether `value` belongs to the slice."""
        if type(value) is not dict:
            return False
        text = value.get(self.name)
        return type(text) is str and text in self.texts


class Trees(Protocol):
    """What discriminators ask of the profiles."""

    definitions: Definitions

    def tree(self, url: str) -> rules.Node | None:
        """Return the rules of a profile."""

    def conforms(self, value: Any, url: str, walk: Walk) -> bool | None:
        """Return whether `value` conforms to a profile; None when the profile is not known."""


def belongs(sliced: rules.Node, slice: rules.Node, trees: Trees) -> Belongs | None:
    """Return whether a value belongs to `slice` of element `sliced`; None when that cannot be told."""
    by_default = BY_URL if sliced.name in ("extension", "modifierExtension") else ()
    discriminators = (sliced.slicing or {}).get("discriminator") or by_default
    tests = [_test(discriminator, slice, trees) for discriminator in discriminators]
    # A second discriminator for which the slice says nothing can tell nothing apart (as the ministry's draft has it).
    told = [test for test in tests if test is not None]
    if not told:
        return None
    if len(told) == 1:
        return told[0]
    return lambda value, walk: all(test(value, walk) for test in told)


def by_demands(slice: rules.Node, trees: Trees) -> Belongs | None:
    """Return whether a value has all that `slice` fixes; None when it fixes nothing.

    So are slices of a slice told whose profile does not say how: what tells that slice is true of all of them.
    """
    test = demands(slice, trees)
    return None if test is None else lambda value, walk: test(value)


def _test(discriminator: Mapping[str, str], slice: rules.Node, trees: Trees) -> Belongs | None:
    kind, text = discriminator["type"], discriminator["path"].replace("[x]", "")  # "value[x]" is what many write
    if text == "url" and kind in ("value", "pattern"):
        return _by_url(slice, trees)
    try:
        steps = list(_steps(parse(text)))
    except Unsupported:
        return None
    find = _find(steps)
    holders = list(_follow([slice], steps, trees))
    match kind:
        case "value" | "pattern":
            return _by_value(slice, steps, find, holders, trees)
        case "exists":
            return _by_presence(holders, find)
        case "type":
            return _by_type(holders, find, steps)
        case "profile":
            return _by_profile(holders, find, trees)
        case _:
            return None


def _steps(node: Node) -> Iterator[str | tuple[str, str]]:
    """Yield names, and functions with their argument; raise Unsupported for what no discriminator may have."""
    match node:
        case This():
            return
        case Member(name):
            yield name
        case Call("resolve", ()):
            yield ("resolve", "")
        case Call("extension", (Literal(str(url)),)):
            yield ("extension", url)
        case Call("ofType", (kind,)):
            yield ("ofType", type_name(kind))
        case Typed("as", source, kind):
            yield from _steps(source)
            yield ("ofType", kind)
        case Step(source, then):
            yield from _steps(source)
            yield from _steps(then)
        case _:
            raise Unsupported("no path of a discriminator")


def _find(steps: list[str | tuple[str, str]]) -> Find:
    """Return the function that follows the path from values."""

    def find(found: list[Any], walk: Walk) -> list[Any]:
        for step in steps:
            found = [below for value in found for below in _below(value, step, walk)]
        return found

    return find


def _below(value: Any, step: str | tuple[str, str], walk: Walk) -> list[Any]:
    if type(value) is not dict:
        return []
    match step:
        case ("resolve", _):
            target = walk.resolve(value["reference"]) if type(value.get("reference")) is str else None
            kind = literal_type(value)
            return [target] if target is not None else [{"resourceType": kind}] if kind is not None else []
        case ("extension", url):
            return [one for one in _list(value.get("extension")) if type(one) is dict and one.get("url") == url]
        case ("ofType", _):
            return [value]
        case str(name):
            if name in value:
                return [one for one in _list(value[name]) if one is not None]
            return [
                each
                for key, one in value.items()
                if key.startswith(name) and key[len(name) : len(name) + 1].isupper()
                for each in _list(one)
            ]
        case _:
            return []


def _list(value: Any) -> list[Any]:
    return value if type(value) is list else [] if value is None else [value]


def _follow(nodes: list[rules.Node], steps: list[str | tuple[str, str]], trees: Trees) -> list[rules.Node]:
    """Return what profiles say of the place that the path leads to from `nodes`."""
    for step in steps:
        nodes = [found for node in nodes for found in _children(node, step, trees)]
    return nodes


def _children(node: rules.Node, step: str | tuple[str, str], trees: Trees) -> list[rules.Node]:
    match step:
        case ("resolve", _):
            return [_target(url, trees) for url in _profiles(node, "targetProfile")]
        case ("ofType", _):
            return [node]
        case ("extension", url):
            own = node.children.get("extension")
            slices = [] if own is None else [one for one in own.slices.values() if url in _profiles(one, "profile")]
            tree = trees.tree(url)
            return slices + ([tree] if tree is not None else [])
        case str(name):
            below = node.given(name)
            found = [] if below is None else [below, *below.slices.values()]
            for url in _profiles(node, "profile"):
                tree = trees.tree(url)
                inherited = None if tree is None else tree.given(name)
                found += [] if inherited is None else [inherited]
            return found
        case _:
            return []


def _target(url: str, trees: Trees) -> rules.Node:
    """Return the rules of a reference's target: a profile's, or none of a type that has no profile."""
    type = url.removeprefix(CORE)
    return trees.tree(url) or rules.Node(type, type)


def _profiles(node: rules.Node, which: str) -> list[str]:
    types = node.types.value if node.types is not None else ()
    return [url.partition("|")[0] for kind in types for url in kind.get(which, ())]


def _by_url(slice: rules.Node, trees: Trees) -> Belongs | None:
    urls = _profiles(slice, "profile")
    own = slice.children.get("url")
    urls = urls or [demanded.value for demanded in own.fixed] if own is not None else urls
    if not urls:
        return None
    return Has("url", frozenset(urls))


def _by_value(
    slice: rules.Node, steps: list[str | tuple[str, str]], find: Find, holders: list[rules.Node], trees: Trees
) -> Belongs | None:
    """Compare what lies at the path with what the slice demands there, or with what it demands further up."""
    for depth in range(len(steps)):
        names = steps[depth:]
        for node in _follow([slice], steps[:depth], trees):
            for demanded in (*node.fixed, *node.patterns):
                wanted = values.at(demanded.value, ".".join(map(str, names)))
                if wanted and len(steps) == 1 and isinstance(steps[0], str) and isinstance(wanted[0], str):
                    return Has(steps[0], frozenset({wanted[0]}))  # most often a system or a use
                if wanted:
                    return _holding(find, wanted[0])
    tests = [test for node in holders if (test := demands(node, trees)) is not None]
    if len(steps) == 1 and isinstance(steps[0], str) and len(holders) == 1 and len(tests) == 1:
        alone = [demanded.value for demanded in (*holders[0].fixed, *holders[0].patterns)]
        if len(alone) == 1 and isinstance(alone[0], str):
            return Has(steps[0], frozenset(alone))
    if not tests:
        return None
    return lambda value, walk: any(all(test(found) for test in tests) for found in find([value], walk))


def _holding(find: Find, pattern: Any) -> Belongs:
    return lambda value, walk: any(values.holds(found, pattern) for found in find([value], walk))


def demands(node: rules.Node, trees: Trees) -> Callable[[Any], bool] | None:
    """Return whether a value has the fixed values, patterns and required codes of `node` and of what is in it."""
    tests: list[Callable[[Any], bool]] = [_like(demanded.value) for demanded in (*node.fixed, *node.patterns)]
    for name, child in node.children.items():
        below = demands(child, trees)
        if below is not None:
            tests.append(_somewhere(name.removesuffix("[x]"), below))
    if not tests:
        for strength, url in (demanded.value for demanded in node.bindings):
            codes = trees.definitions.codes(url)
            if strength == "required" and codes is not None:
                tests.append(_of_codes(codes))
    return (lambda value: all(test(value) for test in tests)) if tests else None


def _like(pattern: Any) -> Callable[[Any], bool]:
    return lambda value: values.holds(value, pattern)


def _of_codes(codes: Mapping[str, frozenset[str]]) -> Callable[[Any], bool]:
    return lambda value: coded(value, codes)


def _somewhere(name: str, test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: any(test(found) for found in values.at(value, name))


def coded(value: Any, codes: Mapping[str, frozenset[str]]) -> bool:
    """Return whether a code, Coding or CodeableConcept is among `codes`."""
    if isinstance(value, str):
        return any(value in members for members in codes.values())
    codings = values.at(value, "coding") if isinstance(value, dict) and "coding" in value else [value]
    return any(
        isinstance(coding, dict)
        and isinstance(coding.get("system"), str)
        and isinstance(coding.get("code"), str)
        and coding["code"] in codes.get(coding["system"], ())
        for coding in codings
    )


def _by_presence(holders: list[rules.Node], find: Find) -> Belongs | None:
    for node in holders:
        if node.max is not None and node.max.number == 0:
            return lambda value, walk: not find([value], walk)
        if node.min is not None and node.min.number > 0:
            return lambda value, walk: bool(find([value], walk))
    return None


def _by_type(holders: list[rules.Node], find: Find, steps: list[str | tuple[str, str]]) -> Belongs | None:
    """Tell resources by their type. Of choices the compiler of profiles tells types by the property's name."""
    kinds = {kind["code"] for node in holders if node.types is not None for kind in node.types.value}
    kinds |= {node.id for node in holders if "." not in node.id}  # the tree of a reference's target profile
    if not kinds:
        return None
    if steps and isinstance(steps[-1], str):
        name = steps[-1]
        before = _find(steps[:-1])
        chosen = {name + kind[:1].upper() + kind[1:] for kind in kinds}

        def typed(value: Any, walk: Walk) -> bool:
            holders = [one for one in before([value], walk) if type(one) is dict]
            return any(not chosen.isdisjoint(one) or _type_of(one.get(name)) in kinds for one in holders)

        return typed
    return lambda value, walk: any(_type_of(found) in kinds for found in find([value], walk))


def _type_of(value: Any) -> Any:
    return value.get("resourceType") if type(value) is dict else None


def _by_profile(holders: list[rules.Node], find: Find, trees: Trees) -> Belongs | None:
    urls = [url for node in holders for url in _profiles(node, "profile")]
    targets = [node for node in holders if "." not in node.id and node.profile is not None]
    urls += [node.profile for node in targets if node.profile is not None]
    if not urls:
        return None
    return lambda value, walk: any(
        trees.conforms(found, url, walk) is True for found in find([value], walk) for url in urls
    )
