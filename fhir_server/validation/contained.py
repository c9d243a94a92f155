"""Contained resources: named, used, not nested, without a life of their own.

https://hl7.org/fhir/R4/references.html#contained
"""

from collections.abc import Iterator
from typing import Any

from fhir_server.validation.report import Path, Walk, below, shown

Json = dict[str, Any]


def anchors(resource: Json) -> frozenset[str]:
    """Return the ids of the contained resources of `resource`."""
    contained = resource.get("contained")
    if type(contained) is not list:
        return frozenset()
    ids = (part.get("id") for part in contained if type(part) is dict)
    return frozenset(id for id in ids if type(id) is str)


def check(resource: Json, path: Path, walk: Walk) -> None:
    """Check the rules dom-2 to dom-5 of `resource`, which has contained resources."""
    contained = resource["contained"]
    if type(contained) is not list:
        return  # reported
    used = frozenset(_fragments(resource))
    seen: set[str] = set()
    for index, part in enumerate(contained):
        if type(part) is dict:
            _one(part, below(path, "contained", index), used, seen, walk)


def _one(part: Json, path: Path, used: frozenset[str], seen: set[str], walk: Walk) -> None:
    id = part.get("id")
    if type(id) is not str:
        walk.error(
            "required",
            below(path, "id"),
            "dom-3",
            "A contained resource has an id, by which it is referred to: add id, and reference '#id' where it belongs",
            "Tài nguyên contained phải có id để được tham chiếu: hãy thêm id và ghi reference '#id' ở nơi sử dụng",
        )
    elif id in seen:
        walk.error(
            "duplicate",
            below(path, "id"),
            "dom-3",
            f"Two contained resources have the id '{shown(id)}': give each its own",
            f"Hai tài nguyên contained có cùng id '{shown(id)}': mỗi tài nguyên phải có id riêng",
        )
    elif id not in used and not any(fragment == "" for fragment in _fragments(part)):
        walk.error(
            "invariant",
            path,
            "dom-3",
            f"Nothing refers to the contained resource '{shown(id)}': reference '#{shown(id)}' where it belongs, or "
            "remove it",
            f"Không có tham chiếu nào đến tài nguyên contained '{shown(id)}': hãy ghi reference '#{shown(id)}' "
            "hoặc bỏ đi",
        )
    if type(id) is str:
        seen.add(id)
    if "contained" in part:
        walk.error(
            "invariant",
            below(path, "contained"),
            "dom-2",
            "A contained resource holds no contained resources itself: move them one level up",
            "Tài nguyên contained không được chứa tài nguyên contained khác: hãy chuyển lên một mức",
        )
    _meta(part.get("meta"), below(path, "meta"), walk)


def _meta(meta: Any, path: Path, walk: Walk) -> None:
    if type(meta) is not dict:
        return
    for name, rule in (("versionId", "dom-4"), ("lastUpdated", "dom-4"), ("security", "dom-5")):
        if name in meta:
            walk.error(
                "invariant",
                below(path, name),
                rule,
                f"A contained resource has no meta.{name}, for it lives and changes with the one around it: remove it",
                f"Tài nguyên contained không có meta.{name} vì nó tồn tại cùng tài nguyên chứa nó: hãy bỏ đi",
            )


def _fragments(value: Any) -> Iterator[str]:
    """Yield what follows `#` in every string that starts so, anywhere in `value`; "" for the container itself."""
    waiting = [value]
    while waiting:
        here = waiting.pop()
        if type(here) is dict:
            waiting.extend(here.values())
        elif type(here) is list:
            waiting.extend(here)
        elif type(here) is str and here.startswith("#"):
            yield here[1:]
