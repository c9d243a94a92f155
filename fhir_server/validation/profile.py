"""Profiles: the rules that a StructureDefinition adds to its type, compiled to closures.

https://hl7.org/fhir/R4/profiling.html

A profile visits only the elements that it has rules for, after the structure has been checked; a value of the wrong
shape has been reported by then, and is passed over. The differentials of a profile and of those that it derives from
are laid over each other, so that no snapshot is needed.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fhir_server.definitions import Definitions
from fhir_server.definitions.model import Binding, Member
from fhir_server.fhirpath.names import Names, names, together
from fhir_server.fhirpath.syntax import Unsupported
from fhir_server.validation import bindings, discriminators, elements, facets, invariants, references, rules, seen
from fhir_server.validation.elements import Applied
from fhir_server.validation.invariants import Compiled, Rule
from fhir_server.validation.occurrences import Check, counter
from fhir_server.validation.references import CORE
from fhir_server.validation.report import Path, Walk
from fhir_server.validation.rules import Demanded, Node
from fhir_server.validation.seen import Seen
from fhir_server.validation.slicing import Slice, Sorter

Json = dict[str, Any]

ANY_RESOURCE = frozenset({"Resource", "DomainResource"})


class Profile(NamedTuple):
    """A compiled profile."""

    url: str
    version: str | None
    type: str
    ancestors: frozenset[str]  # the profiles that it derives from
    check: Check
    unchecked: tuple[tuple[str, str], ...] = ()  # its rules that cannot be checked here: key, reason


class Profiles:
    """The profiles of one set of definitions, each compiled when first declared."""

    def __init__(self, definitions: Definitions, found: Seen):
        self.definitions = definitions
        self.seen = found
        self._compiled: dict[str, Profile] = {}
        self._trees: dict[str, Node | None] = {}
        self._names: dict[str, Names] = {}
        self._rules: dict[tuple[Rule, str], Compiled] = {}

    def get(self, url: str) -> Profile | None:
        """Return the profile with canonical `url` (without version), or None when it is not known."""
        if url not in self._compiled:
            chain = rules.chain(url, self.definitions.profile)
            if not chain:
                return None
            self._compiled[url] = self._compile(url, chain)
        return self._compiled[url]

    def _compile(self, url: str, chain: list[Json]) -> Profile:
        own, *others = chain
        type = str(own.get("type"))
        version, ancestors = own.get("version"), frozenset(other["url"] for other in others)
        try:
            root = rules.tree(chain)
            compiler = _Compiler(self, type)
            definition = self.definitions.type(type)
            check = compiler.content(root, {} if definition is None else definition.members)
        except (KeyError, TypeError, ValueError, AttributeError) as fault:  # a StructureDefinition that is not valid R4
            unreadable = ((url, f"its differential cannot be read ({fault!r})"),)
            return Profile(url, version, type, ancestors, _with(_nothing, unreadable, url), unreadable)
        unchecked = (*self._without_base(chain[-1]), *compiler.unchecked)
        return Profile(url, version, type, ancestors, _with(check, unchecked, url), unchecked)

    def _without_base(self, last: Json) -> Iterator[tuple[str, str]]:
        """Yield what is to be said of the last profile of a chain that ends before it comes to a type of R4."""
        base = str(last.get("baseDefinition", "")).partition("|")[0]
        if self.definitions.type(base.removeprefix(CORE)) is None:
            known = self.definitions.profile(base) is not None
            yield last["url"], f"its base {base} {'derives from it' if known else 'is not known'}"

    def tree(self, url: str) -> Node | None:
        """Return the rules of the profile `url` as a tree, or None when it is not known or cannot be read."""
        if url not in self._trees:
            chain = rules.chain(url, self.definitions.profile)
            try:
                self._trees[url] = rules.tree(chain) if chain else None
            except (KeyError, TypeError, ValueError, AttributeError):
                self._trees[url] = None
        return self._trees[url]

    def conforms(self, value: Any, url: str, walk: Walk) -> bool | None:
        """Return whether `value` has no error against profile `url`; None when the profile is not known."""
        profile = self.get(url.partition("|")[0])
        if profile is None:
            return None
        kind = value.get("resourceType") if type(value) is dict else None
        if kind is None:
            return walk.passes(profile.check, value)
        if kind != profile.type and profile.type not in ANY_RESOURCE:
            return False
        if (id(value), url) in walk.conforming:  # in a Bundle all doses of a person ask for the same Patient
            return walk.conforming[id(value), url]
        outer = walk.resource, walk.holder
        walk.resource, walk.holder = value, walk.holder if walk.holds(value) else value
        found = walk.passes(profile.check, value)
        walk.resource, walk.holder = outer
        if not walk.open:  # what is found while another value is tried depends on that one
            walk.conforming[id(value), url] = found
        return found

    def names(self, type: str) -> Names:
        """Return what names mean in invariants on `type`."""
        if type not in self._names:
            self._names[type] = names(self.definitions, type)
        return self._names[type]

    def compiled(self, rule: Rule, type: str) -> Compiled:
        """Return a constraint on `type` compiled; raise Unsupported. A rule for many places is compiled once."""
        if (rule, type) not in self._rules:
            types = type, *invariants.types_named(rule.expression, self.definitions.resource_types)
            self._rules[rule, type] = invariants.compile(rule, together([self.names(each) for each in types]))
        return self._rules[rule, type]


class _Compiler:
    """Compiles the tree of one profile."""

    def __init__(self, profiles: Profiles, type: str):
        self._profiles = profiles
        self._definitions = profiles.definitions
        self._type = type
        self.unchecked: list[tuple[str, str]] = []  # rules that cannot be checked here: key, reason

    def content(self, node: Node, members: Mapping[str, Member]) -> Check:
        """Return the check of a value: its constraints, then the elements in it."""
        checks = list(self._constraints(node))
        always: list[Applied] = []
        by_property: dict[str, Applied] = {}  # of elements that matter only where they are
        supported: list[tuple[str, Applied]] = []  # those of them whose absence is told to who asks for it
        for child in (*node.children.values(), *_narrowed(node, members)):
            element = self._element(child, members)
            if element is None:
                continue
            names = [name for name, member in members.items() if child.name in (name, member.element.name)]
            if len(names) > 1 or _wanted(child):
                always.append(element)
            else:
                by_property |= {names[0]: element, "_" + names[0]: elements.unless(names[0], element)}
                if child.must_support:
                    supported.append((names[0], element))

        return elements.within(always, by_property, supported, checks)

    def _constraints(self, node: Node) -> list[Check]:
        found = []
        for rule in node.constraints.values():
            if not rule.expression:
                continue
            try:
                found.append(self._profiles.compiled(rule, self._type))
            except Unsupported as reason:
                self.unchecked.append((rule.key, str(reason)))
        return [invariants.check(found)] if found else []

    def _element(self, node: Node, members: Mapping[str, Member]) -> Applied | None:
        """Return the check of one element in the object that has it; None when the type has no such element."""
        own = {name: member for name, member in members.items() if node.name in (name, member.element.name)}
        if not own:
            if members:
                self.unchecked.append((node.id, f"{node.name} is no element"))
            return None
        checks = {name: self._value(node, member) for name, member in own.items()}
        found = elements.Rules(
            node,
            checks,
            counter(node, next(iter(own.values())).element),
            elements.allowed(node, own),
            self._sorter(node, own),
        )
        if not (found.beyond_values() or any(checks.values())):
            return None  # nothing beyond what the type itself demands
        return elements.applied(found, own)

    def _value(self, node: Node, member: Member) -> list[Check]:
        """Return the checks of one value of the element, as it has the type of `member`."""
        checks = facets.checks(node, member.type)
        checks += [check for demanded in node.bindings if (check := self._binding(node, demanded, member)) is not None]
        if node.types is not None:
            checks += self._types(node, node.types, member)
        if node.children or node.constraints:
            checks.append(self.content(node, self._members(node, member)))
        if checks and seen.repeats(member, self._definitions):
            return [self._profiles.seen.once(checks)]
        return checks

    def _members(self, node: Node, member: Member) -> Mapping[str, Member]:
        """Return the properties of a value; of a resource within another one those of the one type that it may have."""
        kinds = [kind["code"] for kind in node.types.value] if node.types is not None else []
        definition = self._definitions.type(kinds[0]) if member.type == "Resource" and len(kinds) == 1 else None
        return self._definitions.members(member) if definition is None else definition.members

    def _types(self, node: Node, types: Demanded, member: Member) -> list[Check]:
        """Return the checks of the profiles on a type: of the value itself, or of what it refers to."""
        if member.type == "Resource":
            return self._resources(node, types)
        found: list[Check] = []
        for kind in types.value:
            if kind["code"] != member.type:
                continue
            if targets := kind.get("targetProfile", ()):
                found += references.narrower(node.id, targets, self._definitions, types.profile, self._profiles)
            # Extensions are checked by their own definitions wherever they stand.
            if (urls := kind.get("profile", ())) and member.type != "Extension":
                found.append(self._conforms(node, [url.partition("|")[0] for url in urls], types.profile))
        return found

    def _conforms(self, node: Node, urls: list[str], by: str) -> Check:
        """Check a value against a profile of its type, or that it follows any one of several."""
        profiles = self._profiles
        of_extension = node.name in ("extension", "modifierExtension")

        def single(value: Any, path: Path, walk: Walk) -> None:
            if of_extension and type(value) is dict and value.get("url") == urls[0]:
                return  # every extension is checked against its own definition
            profile = profiles.get(urls[0])
            if profile is not None:
                profile.check(value, path, walk)

        def several(value: Any, path: Path, walk: Walk) -> None:
            if any(profiles.conforms(value, url, walk) is not False for url in urls):
                return
            walk.error(
                "structure",
                path,
                f"{node.id}:type",
                f"{node.id} follows none of the profiles that are allowed: {', '.join(urls)}",
                f"{node.id} không theo hồ sơ nào được phép: {', '.join(urls)}",
                by,
            )

        return single if len(urls) == 1 else several

    def _resources(self, node: Node, types: Demanded) -> list[Check]:
        """Check what resources may stand here: their types, and the profiles on them."""
        allowed = {kind["code"]: [url.partition("|")[0] for url in kind.get("profile", ())] for kind in types.value}
        if ANY_RESOURCE & allowed.keys() and not any(allowed.values()):
            return []
        by_type: dict[str, list[str]] = {}
        for code, urls in allowed.items():
            by_type.setdefault(code, [])
            for url in urls:
                definition = self._definitions.profile(url)
                by_type.setdefault(str((definition or {}).get("type", code)), []).append(url)
        anything = any(not allowed[code] for code in ANY_RESOURCE & allowed.keys())
        checks = {code: self._conforms(node, urls, types.profile) for code, urls in by_type.items() if urls}
        names = sorted(by_type.keys() - ANY_RESOURCE)

        def check(value: Any, path: Path, walk: Walk) -> None:
            kind = value.get("resourceType") if type(value) is dict else None
            if kind in checks:
                checks[kind](value, path, walk)
            elif type(kind) is str and kind not in by_type and not anything and names:
                walk.error(
                    "structure",
                    path,
                    f"{node.id}:type",
                    f"A {kind} may not stand here: the profile allows {' or '.join(names)}",
                    f"{kind} không được đặt ở đây: hồ sơ chỉ cho phép {' hoặc '.join(names)}",
                    types.profile,
                )

        return [check]

    def _binding(self, node: Node, demanded: Demanded, member: Member) -> Check | None:
        strength, value_set = demanded.value
        binding = Binding(strength, value_set)
        return bindings.check(member.type, node.id, binding, self._definitions, demanded.profile)

    def _sorter(self, node: Node, own: Mapping[str, Member], inherited: Json | None = None) -> Sorter | None:
        """Return what gives values to the slices of `node`; `inherited` is the slicing of what it is a slice of."""
        told = [self._slice(node, slice, own, inherited) for slice in node.slices.values()]
        slices = [slice for slice in told if slice is not None]
        if not slices:
            return None
        slicing = node.slicing or {}
        # When what belongs to a slice cannot be told, what belongs to none cannot either.
        closed = slicing.get("rules", "open") if len(slices) == len(told) else "open"
        return Sorter(node.id, node.sliced_by, closed, bool(slicing.get("ordered")), slices)

    def _slice(self, node: Node, slice: Node, own: Mapping[str, Member], inherited: Json | None) -> Slice | None:
        sliced = node if node.slicing or inherited is None else _sliced_by(node, inherited)
        if node.name.endswith("[x]"):  # slices of a choice are told apart by type
            kinds = {kind["code"] for kind in slice.types.value} if slice.types is not None else set()
            label = slice.id.rpartition(":")[2]
            chosen = {name: member for name, member in own.items() if member.type in kinds or name == label}
            belongs = None if chosen else discriminators.belongs(sliced, slice, self._profiles)
            own = chosen or own
            if not chosen and belongs is None:
                return self._untold(slice)
        else:
            belongs = discriminators.belongs(sliced, slice, self._profiles)
            if belongs is None and sliced is not node:
                belongs = discriminators.by_demands(slice, self._profiles)
            if belongs is None:
                return self._untold(slice)
        checks = {name: self._value(slice, member) for name, member in own.items()}
        return Slice(slice, belongs, checks, self._sorter(slice, own, sliced.slicing))

    def _untold(self, slice: Node) -> Slice | None:
        self.unchecked.append((slice.id, "what belongs to this slice cannot be told here"))
        return None


def _narrowed(node: Node, members: Mapping[str, Member]) -> Iterator[Node]:
    """Yield each choice of which only types are named (`valueQuantity`): as in R4's own snapshots it has these alone.

    It may have others where the profile says how it is sliced, or which types it has.
    """
    named: dict[str, list[tuple[Node, str]]] = {}
    for child in node.children.values():
        member = members.get(child.name)
        if member is not None and member.element.choice:
            named.setdefault(member.element.name, []).append((child, member.type))
    for name, rows in named.items():
        whole = node.children.get(name)
        if whole is None or (whole.slicing is None and whole.types is None):
            types = [{"code": type} for _, type in rows]
            yield Node(f"{node.id}.{name}", name, types=Demanded(types, str(rows[0][0].profile)))


def _wanted(node: Node) -> bool:
    """Return whether something may be wrong when the element is not there at all."""
    return (node.min is not None and node.min.number > 0) or any(_wanted(slice) for slice in node.slices.values())


def _sliced_by(node: Node, slicing: Json) -> Node:
    return Node(node.id, node.name, slicing=slicing)


def _nothing(value: Any, path: Path, walk: Walk) -> None:
    """Check nothing of a profile that cannot be read."""


def _with(check: Check, unchecked: tuple[tuple[str, str], ...], url: str) -> Check:
    """Say of a profile which of its rules are not checked here."""
    if not unchecked:
        return check

    def complete(value: Any, path: Path, walk: Walk) -> None:
        check(value, path, walk)
        for key, reason in unchecked:
            walk.add(
                "information",
                "not-supported",
                path,
                key,
                (
                    f"This rule of the profile is not checked here: {reason}",
                    f"Quy tắc này của hồ sơ chưa được kiểm tra ở đây: {reason}",
                ),
                url,
            )

    return complete
