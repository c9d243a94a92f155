"""References: their form, the type they point to, contained ones; existence is a question for the store.

https://hl7.org/fhir/R4/references.html
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from fhir_server.definitions import Definitions
from fhir_server.validation.report import Exists, MatchesProfile, Path, Walk, below, shown

Json = dict[str, Any]
Check = Callable[[Any, Path, Walk], None]

RELATIVE: Final = re.compile(r"([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?").fullmatch
ABSOLUTE: Final = re.compile(
    r"https?://[^\s?#]+?/([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?"
).fullmatch
CONDITIONAL: Final = re.compile(r"([A-Z][A-Za-z]+)\?\S+").fullmatch
SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+").fullmatch
CORE: Final = "http://hl7.org/fhir/StructureDefinition/"
ANY: Final = frozenset({"Resource", "DomainResource"})


def resource_types(targets: Iterable[str], definitions: Definitions) -> frozenset[str] | None:
    """Return the resource types that `targets` (types or profile URLs) allow; None when they allow any."""
    types = set()
    for target in targets:
        name = target.removeprefix(CORE)
        if name not in definitions.resource_types:
            profile = definitions.profile(name.partition("|")[0]) or definitions.profile(target.partition("|")[0])
            name = "Resource" if profile is None else profile["type"]
        types.add(name)
    return None if not types or types & ANY else frozenset(types)


def reference(element: str, targets: Iterable[str], definitions: Definitions, profile: str | None = None) -> Check:
    """Return the check of a Reference at `element` that may point to `targets`."""
    allowed = resource_types(targets, definitions)
    known = definitions.resource_types

    def check(value: Json, path: Path, walk: Walk) -> None:
        text = value.get("reference")
        told = value.get("type")
        kind = told if type(told) is str and told in known else None
        if type(text) is str:
            match = RELATIVE(text)
            if match is not None:
                target, id, version = match.groups()
                walk.questions.append(Exists(target, id, version, path))
                _same(kind, target, element, path, walk)
                kind = target
                if target not in known:
                    _unknown_type(target, element, path, walk)
                    return
            else:
                kind = _other(text, kind, element, path, walk, known)
        if allowed is not None and kind is not None and kind not in allowed:
            wrong_target(kind, allowed, element, path, walk, profile)

    return check


class Conforming(Protocol):
    """What the check of a target asks of the profiles."""

    def conforms(self, value: Any, url: str, walk: Walk) -> bool | None:
        """Return whether `value` conforms to a profile; None when the profile is not known."""


def narrower(
    element: str, targets: Iterable[str], definitions: Definitions, profile: str, profiles: Conforming
) -> list[Check]:
    """Return the checks that a Reference points to a type that `profile` allows, and to what follows its profiles."""
    allowed = resource_types(targets, definitions)
    demanded = tuple(url.partition("|")[0] for url in targets)
    own = [definitions.profile(url) for url in demanded if url.removeprefix(CORE) not in definitions.resource_types]
    # One target without a known profile of its own leaves nothing to be checked of any.
    known = len(own) == len(demanded) and None not in own
    found: list[Check] = [] if allowed is None else [_allowed(element, allowed, definitions, profile)]
    return [*found, _following(element, demanded, profile, profiles)] if known else found


def _allowed(element: str, allowed: frozenset[str], definitions: Definitions, profile: str) -> Check:
    known = definitions.resource_types

    def check(value: Any, path: Path, walk: Walk) -> None:
        kind = _target(value, walk) if type(value) is dict else None
        if kind is not None and kind in known and kind not in allowed:
            wrong_target(kind, allowed, element, path, walk, profile)

    return check


def _following(element: str, demanded: tuple[str, ...], profile: str, profiles: Conforming) -> Check:
    """Check that the target follows one of the profiles; ask when it is not at hand."""
    rule = f"{element}:targetProfile"

    def check(value: Any, path: Path, walk: Walk) -> None:
        text = value.get("reference") if type(value) is dict else None
        if type(text) is not str:
            return
        target = walk.resolve(text)
        if target is None:
            match = RELATIVE(text)
            if match is not None:
                question = MatchesProfile(match.group(1), match.group(2), demanded, path, rule, profile)
                walk.asked.append(question)
        elif not walk.visiting(target) and all(profiles.conforms(target, url, walk) is False for url in demanded):
            walk.error("value", path, rule, *not_following(text, demanded), profile)

    return check


def not_following(reference: str, profiles: Sequence[str]) -> tuple[str, str]:
    """Say that the target of a reference follows none of `profiles`."""
    names = ", ".join(profiles)
    return (
        f"{shown(reference)} does not follow {names}: correct the resource, or refer to another one",
        f"{shown(reference)} không theo hồ sơ {names}: hãy sửa tài nguyên đó hoặc tham chiếu tài nguyên khác",
    )


def literal_type(value: Json) -> str | None:
    """Return the resource type that a Reference names in its URL or its type."""
    text = value.get("reference")
    if type(text) is str:
        for form in (RELATIVE, ABSOLUTE, CONDITIONAL):
            if match := form(text):
                return match.group(1)
    told = value.get("type")
    return told if type(told) is str else None


def _target(value: Json, walk: Walk) -> str | None:
    """Return the resource type that a Reference can be seen to point to; the structure has reported what is wrong."""
    text = value.get("reference")
    if type(text) is str and text.startswith("#"):
        target = walk.resolve(text)
        return None if target is None else str(target.get("resourceType"))
    return literal_type(value)


def _other(text: str, told: str | None, element: str, path: Path, walk: Walk, known: frozenset[str]) -> str | None:
    """Check a reference that is no `Type/id`; return the type that it points to when it can be seen."""
    walk.beyond += 1
    if text.startswith("#"):
        return _contained(text[1:], element, path, walk) or told
    if text.startswith("urn:") and text not in walk.bundle:
        walk.questions.append(Exists("", text, None, path))
    for form in (ABSOLUTE, CONDITIONAL):
        match = form(text)
        if match is None or match.group(1) not in known:
            continue
        _same(told, match.group(1), element, path, walk)
        if form is CONDITIONAL and not walk.conditional:
            walk.error(
                "value",
                below(path, "reference"),
                f"{element}:format",
                f"'{shown(text)}' is a conditional reference, which only a transaction may hold: write Type/id",
                f"'{shown(text)}' là tham chiếu có điều kiện, chỉ dùng trong transaction: hãy ghi Loại/id",
            )
        return match.group(1)
    if not SCHEME(text):
        walk.error(
            "value",
            below(path, "reference"),
            f"{element}:format",
            f"'{shown(text)}' is not a reference: write Type/id (such as Patient/123), an absolute URL, urn:uuid:… or "
            "#id of a contained resource",
            f"'{shown(text)}' không phải tham chiếu: hãy ghi Loại/id (ví dụ Patient/123), URL tuyệt đối, urn:uuid:… "
            "hoặc #id của tài nguyên contained",
        )
    return told


def _contained(id: str, element: str, path: Path, walk: Walk) -> str | None:
    if not id:
        return str(walk.holder.get("resourceType"))
    if id not in walk.anchors:
        walk.error(
            "not-found",
            below(path, "reference"),
            "ref-1",
            f"No contained resource has the id '{shown(id)}': add it to `contained`, or correct the reference",
            f"Không có tài nguyên contained nào có id '{shown(id)}': hãy bổ sung vào `contained` hoặc sửa tham chiếu",
        )
        return None
    for resource in walk.holder.get("contained", ()):
        if type(resource) is dict and resource.get("id") == id:
            name = resource.get("resourceType")
            return name if type(name) is str else None
    return None


def _same(told: str | None, target: str, element: str, path: Path, walk: Walk) -> None:
    if told is not None and told != target:
        walk.error(
            "value",
            below(path, "type"),
            f"{element}:type",
            f"Reference.type says {told}, but the reference points to {shown(target)}: correct one of them",
            f"Reference.type ghi {told} nhưng tham chiếu trỏ đến {shown(target)}: hãy sửa một trong hai",
        )


def _unknown_type(target: str, element: str, path: Path, walk: Walk) -> None:
    walk.error(
        "value",
        below(path, "reference"),
        f"{element}:format",
        f"'{shown(target)}' is not a resource type: write Type/id, such as Patient/123 (upper and lower case matter)",
        f"'{shown(target)}' không phải loại tài nguyên: hãy ghi Loại/id, ví dụ Patient/123 (phân biệt chữ hoa, thường)",
    )


def wrong_target(
    kind: str, allowed: frozenset[str], element: str, path: Path, walk: Walk, profile: str | None = None
) -> None:
    """Report a reference to a type that the element does not allow."""
    names = sorted(allowed)
    walk.error(
        "value",
        below(path, "reference"),
        f"{element}:target",
        f"{element} points to a {kind}: it may point to {' or '.join(names)}",
        f"{element} trỏ đến {kind}: chỉ được trỏ đến {' hoặc '.join(names)}",
        profile,
    )
