"""Snapshots: what a profile says, laid over all that its base says.

https://hl7.org/fhir/R4/profiling.html · https://hl7.org/fhir/R4/structuredefinition-operation-snapshot.html

The snapshot of the base becomes a tree. The differential, a tree too, is walked over it: data types, referenced content
and profiles of types are unfolded where the differential goes into them, and slices are made from what they slice.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from fhir_server.definitions import snapshot_faults as faults
from fhir_server.definitions import snapshot_tree as tree
from fhir_server.definitions.snapshot_faults import Fault, issue, reading, refused
from fhir_server.definitions.snapshot_rules import code, merged, retyped, strange_types
from fhir_server.definitions.snapshot_tree import Node
from fhir_server.outcome import Issue, TooCostly, Unprocessable

Json = dict[str, Any]
Find = Callable[[str], Json | None]  # the StructureDefinition with a canonical URL

TYPES: Final = "http://hl7.org/fhir/StructureDefinition/"
MAX_CHAIN: Final = 16  # definitions that are made from each other
MAX_ELEMENTS: Final = 50_000  # of differentials, and unfolded; the largest of R4's own snapshots has 300
MAX_ISSUES: Final = 200
REFERENCES: Final = frozenset({"Reference", "canonical"})
OF_ALL_TYPES: Final = frozenset({"id", "extension"})  # children that a value has of whatever type

# How far a definition has come, which says nothing of a profile on it: https://hl7.org/fhir/R4/versions.html#std-process
STANDING: Final = frozenset(
    f"{TYPES}structuredefinition-{name}" for name in ("standards-status", "normative-version", "fmm", "wg")
)

BY_URL: Final[Json] = {"discriminator": [{"type": "value", "path": "url"}], "ordered": False, "rules": "open"}
BY_TYPE: Final[Json] = {"discriminator": [{"type": "type", "path": "$this"}], "ordered": False, "rules": "open"}


def generate(definition: Json, find: Find) -> Json:
    """Return `definition` with a snapshot made from its differential.

    One that has no differential keeps the snapshot that it has. Raise Unprocessable with an issue for each thing that
    the differential may not say, or when a definition that is needed is not known; TooCostly when too much is unfolded.
    """
    root = _Snapshots(find).tree_of(definition)
    with reading(definition):
        mappings = _mappings(definition, find)
    found: Json = {}
    for name, value in definition.items():
        if name == "differential":
            found["snapshot"] = {"element": tree.written(root)}
        if name not in ("snapshot", "mapping"):
            found[name] = value
        elif name == "mapping" or "differential" not in definition:
            found[name] = mappings if name == "mapping" else value
    if mappings and "mapping" not in found:
        found["mapping"] = mappings
    return found


def _mappings(definition: Json, find: Find) -> list[Json]:
    """Return the mappings that elements may name: those of the definition and those of its bases."""
    found: list[Json] = []
    chain: Json | None = definition
    for _ in range(MAX_CHAIN):
        if chain is None:
            break
        known = {one.get("identity") for one in found}
        found += [one for one in chain.get("mapping", ()) if one.get("identity") not in known]
        chain = find(_plain(chain.get("baseDefinition", "")))
    return found


class _Snapshots:
    """The snapshots that one generation needs, as trees that are not changed any more."""

    def __init__(self, find: Find):
        self._find = find
        self._trees: dict[str, Node | None] = {}
        self._bases: dict[str, str] = {}  # of types, by name
        self._under_way: list[str] = []
        self._left = MAX_ELEMENTS

    def tree_of(self, definition: Json) -> Node:
        """Return the snapshot of a definition; raise Unprocessable or TooCostly."""
        url = str(definition.get("url", ""))
        if url in self._under_way or len(self._under_way) >= MAX_CHAIN:
            raise refused(definition, faults.circle([*self._under_way[-3:], url]))
        self._under_way.append(url)
        try:
            with reading(definition):
                return self._made(definition)
        finally:
            self._under_way.pop()

    def _made(self, definition: Json) -> Node:
        own = definition.get("differential", {}).get("element")
        ready = definition.get("snapshot", {}).get("element")
        if ready and (not own or definition.get("derivation") != "constraint"):
            return _with_sources(tree.read(ready), str(definition.get("url", "")))
        if not own or definition.get("derivation") != "constraint":
            raise refused(definition, faults.no_differential())
        base = self.tree(str(definition.get("baseDefinition", "")))
        if base is None:
            raise refused(
                definition, faults.unknown("base definition", "định nghĩa gốc", definition.get("baseDefinition"))
            )
        self._spend(len(own))
        return _Walk(self, definition).over(base, tree.read(own))

    def tree(self, canonical: str) -> Node | None:
        """Return the snapshot of the definition with that URL; None when it is not known."""
        url = _plain(canonical)
        if url not in self._trees:
            definition = self._find(url)
            self._trees[url] = None if definition is None else self.tree_of(definition)
        return self._trees[url]

    def is_under_way(self, url: str) -> bool:
        """Return whether the snapshot of that definition waits for this very question."""
        return url in self._under_way

    def copy(self, node: Node) -> Node:
        """Return a copy; raise TooCostly when too much was copied already."""
        self._spend(node.size())
        return node.copy()

    def _spend(self, elements: int) -> None:
        self._left -= elements
        if self._left < 0:
            raise TooCostly(
                f"The snapshot would have more than {MAX_ELEMENTS} elements: make the profile smaller",
                f"Snapshot sẽ có hơn {MAX_ELEMENTS} phần tử: hãy chia nhỏ hồ sơ",
            )

    def ancestors(self, type: str) -> list[str]:
        """Return the types that `type` specializes, nearest first."""
        found: list[str] = []
        while len(found) < MAX_CHAIN and (base := self._base(type)):
            type = base.removeprefix(TYPES)
            found.append(type)
        return found

    def _base(self, type: str) -> str:
        if type not in self._bases:
            definition = self._find(_of_type(type)) or {}
            self._bases[type] = str(definition.get("baseDefinition", ""))
        return self._bases[type]


class _Walk:
    """The walk of one differential over the snapshot of its base."""

    def __init__(self, snapshots: _Snapshots, definition: Json):
        self._snapshots = snapshots
        self._definition = definition
        self._url = str(definition.get("url", ""))
        self._issues: list[Issue] = []
        self._row = 0  # of the differential, where faults are found

    def over(self, base: Node, differential: Node) -> Node:
        """Return the snapshot; raise Unprocessable with everything that the differential may not say."""
        root = self._snapshots.copy(base)
        root.element = _without_standing(root.element)
        if differential.name != root.name:
            self._fault(faults.another_type(differential.name, root.name))
        else:
            self._lay(root, differential)
        if self._issues:
            raise Unprocessable("The differential cannot be laid over its base", issues=self._issues)
        return root

    def _lay(self, node: Node, over: Node) -> None:
        if over.row is not None:
            self._row = over.row
        before = node.element
        if over.element:
            node.element = self._merged(node, over)
        if over.children and self._unfold(node, over):
            for child in self._by_element(node, over.children):
                self._row = self._row if child.row is None else child.row
                if child.name in node.children:
                    self._lay(node.children[child.name], child)
                else:
                    self._fault(faults.no_element(child.name, node.children))
        for name, slice in over.slices.items():
            self._lay(self._slice(node, name, slice, before), slice)

    def _merged(self, node: Node, over: Node) -> Json:
        base = node.element
        found = list(strange_types(base, over.element, self._snapshots.ancestors))
        if (profile := _profile_of(over.element)) and profile != _profile_of(base):
            base = self._from_profile(base, profile)
        element, wrong = merged(base, over.element, self._url)
        for fault in (*found, *wrong):
            self._fault(fault)
        return element

    def _from_profile(self, base: Json, profile: str) -> Json:
        """Return the element as the profile of its type describes it, with what its place demands of it."""
        root = None if self._snapshots.is_under_way(profile) else self._snapshots.tree(profile)
        return base if root is None else retyped(base, root.element)

    def _by_element(self, node: Node, children: dict[str, Node]) -> list[Node]:
        """Return the children, those that name a type of a choice (`valueQuantity`) as slices of the choice."""
        found: dict[str, Node] = {}
        short: list[tuple[Node, Node, str]] = []
        for child in children.values():
            chosen = _choice(node, child.name)
            if chosen is None:
                found[child.name] = child
            else:
                short.append((child, *chosen))
        for child, choice, type in short:
            types = [kind for kind in choice.element.get("type", ()) if kind["code"] == type]
            slice = Node(choice.name, {"type": types, **child.element}, child.children, child.slices, child.row)
            told = found.get(choice.name) or Node(choice.name)
            if told.element.keys().isdisjoint(("slicing", "type")):
                told = replace(
                    told,
                    element=told.element | _narrowed(choice, {kind for _, other, kind in short if other is choice}),
                )
            slices = {**told.slices, child.name: slice}
            found[choice.name] = Node(choice.name, told.element, told.children, slices, told.row)
        return list(found.values())

    def _slice(self, node: Node, name: str, over: Node, before: Json) -> Node:
        """Return the slice of `node` with that name, made when there is none; `before`: what the base says of `node`.

        A slice may claim more values, or another type, than the same differential leaves to `node`: it is held to the
        base, and what is said of `node` counts as well.
        """
        if name in node.slices:
            return node.slices[name]
        if "slicing" not in node.element and (slicing := _slicing(node)):
            node.element = {**node.element, "slicing": slicing}
        every = {key: value for key, value in node.element.items() if key != "slicing"}
        held: Json = {key: before[key] for key in ("max", "type") if key in over.element and key in before}
        element = {**every, "min": 0, **held}
        found = self._snapshots.copy(Node(node.name, element, node.children))
        if _choice_type(node.name, name) and "type" not in over.element:
            types = [kind for kind in element.get("type", ()) if _cased(kind["code"]) == _choice_type(node.name, name)]
            found.element = {**found.element, "type": types} if types else found.element
        node.slices[name] = found
        return found

    def _unfold(self, node: Node, over: Node) -> bool:
        """Give `node` the children of its type; return whether it has any, else say why not."""
        if node.children:
            return True
        content = node.element.get("contentReference")
        if content:
            target = self._content(str(content).rpartition("#")[2])
            kept = {key: value for key, value in node.element.items() if key != "contentReference"}
            node.element = {**kept, **({"type": target.element["type"]} if target else {})}
        else:
            target = self._type(node, over)
        if target is not None:
            node.children = self._snapshots.copy(target).children
        return target is not None

    def _content(self, id: str) -> Node | None:
        """Return the element with that id in the type that it is of."""
        name, *steps = id.split(".")
        found = self._snapshots.tree(_of_type(name))
        for step in steps:
            found = found.children.get(step) if found else None
        if found is None:
            self._fault(
                faults.unknown("element that the content is taken from", "phần tử được tham chiếu nội dung", id)
            )
        return found

    def _type(self, node: Node, over: Node) -> Node | None:
        """Return what the type of an element has in it."""
        kinds = {code(kind) for kind in node.element.get("type", ())}
        if len(kinds) > 1 and over.children.keys() <= OF_ALL_TYPES:
            kinds = {"Element"}
        if len(kinds) != 1:
            self._fault(faults.several_types(node.name, len(kinds)))
            return None
        url = _profile_of(node.element) or _of_type(kinds.pop())
        found = self._snapshots.tree(url)
        if found is None:
            self._fault(faults.unknown("definition of the type", "định nghĩa của kiểu", url))
        return found

    def _fault(self, fault: Fault) -> None:
        if len(self._issues) < MAX_ISSUES:
            self._issues.append(issue(self._definition, fault, self._row))


def _with_sources(root: Node, url: str) -> Node:
    """Let every constraint of a snapshot say whose it is."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        waiting += [*node.children.values(), *node.slices.values()]
        if any("source" not in one for one in node.element.get("constraint", ())):
            told = [{**one, "source": one.get("source", url)} for one in node.element["constraint"]]
            node.element = {**node.element, "constraint": told}
    return root


def _without_standing(element: Json) -> Json:
    """Return the element at the root of a base without what tells how far the base itself has come."""
    kept = [one for one in element.get("extension", ()) if one.get("url") not in STANDING]
    others = {name: value for name, value in element.items() if name != "extension"}
    return {**others, "extension": kept} if kept else others


def _narrowed(choice: Node, types: set[str]) -> Json:
    """Return what is said of a choice when a differential only names types of it: it has one of these."""
    if "slicing" in choice.element:
        return {}
    every = [kind for kind in choice.element.get("type", ()) if kind["code"] in types]
    return {"type": every, "slicing": {**BY_TYPE, "rules": "closed"}}


def _slicing(node: Node) -> Json | None:
    """Return how slices are told apart where a differential need not say it."""
    if node.name in ("extension", "modifierExtension"):
        return BY_URL
    return BY_TYPE if node.name.endswith("[x]") else None


def _choice(node: Node, name: str) -> tuple[Node, str] | None:
    """Return the choice among the children of `node` and its type that `name` stands for (`valueQuantity`)."""
    if name in node.children:
        return None
    for child in node.children.values():
        type = _choice_type(child.name, name)
        for kind in child.element.get("type", ()) if type else ():
            if _cased(kind["code"]) == type:
                return child, kind["code"]
    return None


def _choice_type(choice: str, name: str) -> str | None:
    """Return "Quantity" for `value[x]` and `valueQuantity`; None when the name is not of that choice."""
    stem = choice.removesuffix("[x]")
    return name.removeprefix(stem) if stem != choice and name.startswith(stem) and name != stem else None


def _cased(type: str) -> str:
    return type[:1].upper() + type[1:]


def _profile_of(element: Json) -> str | None:
    """Return the one profile of the one type of an element, when it has such."""
    types: list[Json] = element.get("type", [])
    profiles: list[str] = (
        types[0].get("profile", []) if len(types) == 1 and types[0].get("code") not in REFERENCES else []
    )
    return _plain(profiles[0]) if len(profiles) == 1 else None


def _plain(canonical: str) -> str:
    return canonical.partition("|")[0]


def _of_type(name: str) -> str:
    return name if ":" in name else TYPES + name
