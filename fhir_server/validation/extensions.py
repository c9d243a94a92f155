"""Extensions: each against its own definition, wherever it stands, and standing where the definition lets it.

https://hl7.org/fhir/R4/extensibility.html · https://hl7.org/fhir/R4/defining-extensions.html#context
"""

from collections.abc import Iterator
from typing import Any, Final

from fhir_server.definitions import Definitions
from fhir_server.validation import contexts
from fhir_server.validation.contexts import Allowed
from fhir_server.validation.profile import Profiles
from fhir_server.validation.report import Path, Walk, shown

Json = dict[str, Any]
Place = tuple[str, ...]  # a resource type, and the steps from the innermost one to the resource

MAX_PLACES: Final = 20_000  # elements whose names are remembered


class Extensions:
    """The extensions that are known, and where each may stand."""

    def __init__(self, definitions: Definitions, profiles: Profiles):
        self._definitions = definitions
        self._profiles = profiles
        self._queries = contexts.Queries(profiles)
        self._conditions = contexts.Conditions(profiles)
        self._contexts: dict[str, Allowed | None] = {}  # by url; None: anywhere
        self._places: dict[Place, frozenset[str]] = {}
        self._right: set[tuple[str, Place]] = set()  # extensions and where they may stand, whatever is in them

    def content(self, value: Json, path: Path, walk: Walk) -> None:
        """Check an extension by its definition, when that is known."""
        url = value.get("url")
        profile = self._profiles.get(url) if type(url) is str and ":" in url else None
        if profile is not None and profile.type == "Extension":
            profile.check(value, path, walk)

    def position(self, value: Json, path: Path, walk: Walk) -> None:
        """Check that an extension may stand where it does; one that is not known may, unless it modifies."""
        url = value.get("url")
        if type(url) is not str:
            return
        if ":" not in url:  # part of another extension, which checks it
            if path[0] is not None and path[0][1] not in ("extension", "modifierExtension"):
                _relative(url, path, walk)
            return
        place = _place(path[0], walk)
        if (url, place) in self._right:
            return
        profile = self._profiles.get(url)
        if profile is None or profile.type != "Extension":
            if path[1] == "modifierExtension":
                _unknown_modifier(url, path, walk)
            return
        self._conditions.check(url, value, path, walk)
        allowed = self._allowed(url)
        if allowed is None or path[0] is None:
            return
        if allowed.elements:
            names = self._names(place)
            if not names or not names.isdisjoint(allowed.elements):
                if not self._conditions.texts(url) and len(self._right) < MAX_PLACES:
                    self._right.add((url, place))
                return
        if not contexts.around(allowed, path[0], walk) and not self._queries.find(allowed, path[0], walk):
            _misplaced(url, allowed, path, walk)

    def _allowed(self, url: str) -> Allowed | None:
        """Return where extension `url` may stand; None when it may anywhere."""
        if url not in self._contexts:
            self._contexts[url] = contexts.read(self._definitions, url)
        return self._contexts[url]

    def _names(self, place: Place) -> frozenset[str]:
        """Return the names of the element at `place`: its paths from each type around it, its types."""
        if not place:
            return frozenset()
        found = self._places.get(place)
        if found is None:
            if len(self._places) >= MAX_PLACES:
                self._places.clear()
            found = self._places[place] = frozenset(self._trace(place[0], place[:0:-1]))
        return found

    def _trace(self, type: str, steps: Place) -> Iterator[str]:
        definition = self._definitions.type(type)
        if definition is None:
            return
        members, names = definition.members, {type}
        kinds = [type]
        for step in steps:
            name, _, chosen = step.partition(".ofType(")
            member = next(
                (
                    one
                    for key, one in members.items()
                    if (key == name if not chosen else one.element.name == f"{name}[x]" and one.type == chosen[:-1])
                ),
                None,
            )
            if member is None:
                return
            written = member.element.name
            names = {f"{parent}.{written}" for parent in names} | {f"{parent}.{name}" for parent in names}
            names |= {member.element.path, member.type}
            names |= {member.element.content} if member.element.content else set()
            kinds = [member.type]
            members = self._definitions.members(member)
        yield from names
        base = self._definitions.type(kinds[0])
        while base is not None:
            yield base.name
            base = self._definitions.type(base.base) if base.base else None


def _place(place: Path | None, walk: Walk) -> Place:
    """Return the resource type and the steps that lead to `place`; nothing for places within another extension."""
    steps = [str(walk.resource.get("resourceType"))]
    while place is not None and place is not walk.base:
        step = place[1]
        if step in ("extension", "modifierExtension"):
            return ()
        steps.append(step)
        place = place[0]
    return () if place is None else tuple(steps)


def _relative(url: str, path: Path, walk: Walk) -> None:
    walk.error(
        "extension",
        path,
        "Extension.url:absolute",
        f"The extension '{shown(url)}' has no absolute URL: write the whole address of its definition",
        f"Phần mở rộng '{shown(url)}' không có URL tuyệt đối: hãy ghi đầy đủ địa chỉ định nghĩa của nó",
    )


def _unknown_modifier(url: str, path: Path, walk: Walk) -> None:
    walk.error(
        "extension",
        path,
        "Extension.url:modifier",
        f"The modifier extension {shown(url)} is not known here, and nobody may guess what it changes: load the "
        "package that defines it, or send the resource without it",
        f"Không biết modifierExtension {shown(url)}, không được phép đoán nó thay đổi điều gì: hãy nạp gói định nghĩa "
        "hoặc gửi tài nguyên không có phần này",
    )


def _misplaced(url: str, allowed: Allowed, path: Path, walk: Walk) -> None:
    places = ", ".join([*sorted(allowed.elements | allowed.extensions), *allowed.queries][:6])
    walk.error(
        "extension",
        path,
        "Extension.url:context",
        f"The extension {shown(url)} may not stand here: it belongs to {places}",
        f"Không được dùng phần mở rộng {shown(url)} ở đây: nó thuộc về {places}",
        url,
    )
