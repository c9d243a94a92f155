"""The elements of a StructureDefinition as a tree of elements and slices, read from a flat list and written as one.

https://hl7.org/fhir/R4/elementdefinition.html#id · https://hl7.org/fhir/R4/profiling.html#slicing
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

Json = dict[str, Any]
Step = tuple[str, tuple[str, ...]]  # the name of an element and of the slice in it: ("identifier", ("nid", "old"))

LONGEST: Final = 100_000  # steps to all elements of one definition together
DEEPEST: Final = 40  # elements and slices within each other

# The order of https://hl7.org/fhir/R4/elementdefinition.html, in which elements are written.
ORDER: Final = (
    *("id", "extension", "modifierExtension", "path", "representation", "sliceName", "sliceIsConstraining", "label"),
    *("code", "slicing", "short", "definition", "comment", "requirements", "alias", "min", "max", "base"),
    *("contentReference", "type", "defaultValue", "meaningWhenMissing", "orderMeaning", "fixed", "pattern"),
    *("example", "minValue", "maxValue", "maxLength", "condition", "constraint", "mustSupport", "isModifier"),
    *("isModifierReason", "isSummary", "binding", "mapping"),
)
CHOICES: Final = ("defaultValue", "fixed", "pattern", "minValue", "maxValue")  # value[x] of ElementDefinition itself


@dataclass(slots=True)
class Node:
    """An element, or a slice of one."""

    name: str  # "value[x]"; of a slice that of its element
    element: Json = field(default_factory=dict)  # the ElementDefinition without id, path and sliceName; never changed
    children: dict[str, "Node"] = field(default_factory=dict)
    slices: dict[str, "Node"] = field(default_factory=dict)  # of a slice: its own slices
    row: int | None = None  # where it stands in the list that it was read from

    def copy(self) -> "Node":
        """Return the same tree, which may be laid over without changing this one."""
        return Node(
            self.name,
            self.element,
            {name: child.copy() for name, child in self.children.items()},
            {name: slice.copy() for name, slice in self.slices.items()},
            self.row,
        )

    def size(self) -> int:
        """Return the number of elements in the tree."""
        return 1 + sum(node.size() for node in (*self.children.values(), *self.slices.values()))


def read(elements: Iterable[Json]) -> Node:
    """Return the tree of a snapshot's or differential's elements; raise ValueError when they are too many or too deep.

    A differential need not name the elements around what it speaks of: these are there with nothing said of them.
    """
    root = Node("")
    left = LONGEST
    for row, (element, steps) in enumerate(places(elements)):
        depth = sum(1 + len(slices) for _, slices in steps)
        left -= depth
        if depth > DEEPEST or left < 0:
            raise ValueError("too many elements, or too many within each other")
        node = root
        for name, slices in steps[1:]:
            node = node.children.setdefault(name, Node(name))
            for slice in slices:
                node = node.slices.setdefault(slice, Node(name))
        if not root.name:
            root.name = steps[0][0]
        said = {key: value for key, value in element.items() if key not in ("id", "path", "sliceName")}
        node.element = {**node.element, **said}
        node.row = row if node.row is None else node.row
    return root


def places(elements: Iterable[Json]) -> Iterator[tuple[Json, tuple[Step, ...]]]:
    """Yield each element with the steps to it: as its id says, else as the elements before it tell."""
    around: list[tuple[str, tuple[Step, ...]]] = []  # the path of each element around this one, and the steps to it
    for element in elements:
        path = str(element["path"])
        while around and not path.startswith(f"{around[-1][0]}."):
            around.pop()
        steps = _of_id(element) or _of_path(element, around[-1] if around else ("", ()))
        around.append((path, steps))
        yield element, steps


def _of_id(element: Json) -> tuple[Step, ...] | None:
    """Return the steps that the id tells; None when it is not made of the path and the slices."""
    parts, names = str(element.get("id", "")).split("."), str(element["path"]).split(".")
    steps = tuple(_step(part) for part in parts)
    if len(parts) != len(names) or ("sliceName" in element and not steps[-1][1]):
        return None
    fits = all(step[0] == name or _is_choice(step[0], name) for step, name in zip(steps, names, strict=True))
    return steps if fits else None


def _step(part: str) -> Step:
    name, _, slice = part.partition(":")
    return name, tuple(slice.split("/")) if slice else ()


def _is_choice(name: str, written: str) -> bool:
    return name.endswith("[x]") and written.startswith(name.removesuffix("[x]"))


def _of_path(element: Json, around: tuple[str, tuple[Step, ...]]) -> tuple[Step, ...]:
    """Return the steps that the path tells, from the element around it on, which may be in a slice."""
    path, steps = around
    *between, name = str(element["path"])[len(path) + 1 if path else 0 :].split(".")
    slice = element.get("sliceName")
    return (*steps, *((each, ()) for each in between), (name, tuple(str(slice).split("/")) if slice else ()))


def written(root: Node) -> list[Json]:
    """Return the elements of the tree as a list, with their ids and paths: children, then slices."""
    return list(_written(root, root.name, root.name, ""))


def _written(node: Node, id: str, path: str, slice: str) -> Iterator[Json]:
    whole = {"id": id, "path": path, **({"sliceName": slice} if slice else {}), **node.element}
    yield dict(sorted(whole.items(), key=_place))
    for child in node.children.values():
        yield from _written(child, f"{id}.{child.name}", f"{path}.{child.name}", "")
    for name, inner in node.slices.items():
        yield from _written(inner, f"{id}{'/' if slice else ':'}{name}", path, f"{slice}/{name}" if slice else name)


def _place(item: tuple[str, Any]) -> tuple[int, str]:
    name = item[0].removeprefix("_")
    name = next((stem for stem in CHOICES if name.startswith(stem)), name)
    return (ORDER.index(name) if name in ORDER else len(ORDER)), item[0]
