"""One ElementDefinition laid over another: what a profile may say of an element, and what stays of its base.

https://hl7.org/fhir/R4/elementdefinition.html#interpretation
"""

from collections.abc import Callable
from typing import Any, Final

from fhir_server.definitions import snapshot_faults as faults
from fhir_server.definitions.compact import FHIR_TYPE
from fhir_server.definitions.snapshot_faults import Fault
from fhir_server.definitions.snapshot_tree import CHOICES

Json = dict[str, Any]

PROSE: Final = ("definition", "comment", "requirements")  # "..." at the beginning: what the base says goes before it
ADDED: Final = ("alias", "condition", "code", "example", "mapping")  # to what the base has
# What an element has of its place, whatever the profile of its type says; fixed values and their like too.
OF_THE_PLACE: Final = (
    *("base", "min", "max", "type", "requirements", "slicing", "binding", "mustSupport", "maxLength"),
    *("meaningWhenMissing", "orderMeaning"),
)
TAKEN_BACK: Final = ("id", "path", "sliceName", "base")  # said by the snapshot, not by a differential


def merged(base: Json, over: Json, source: str) -> tuple[Json, list[Fault]]:
    """Return the element `base` as the profile with URL `source` wants it, and what of that it may not want."""
    found = dict(base)
    for name, value in over.items():
        if name in TAKEN_BACK:
            continue
        if name in ADDED:
            found[name] = [*base.get(name, ()), *(one for one in value if one not in base.get(name, ()))]
        elif name == "constraint":
            found[name] = _constraints(base.get(name, ()), value, source)
        elif name == "extension":
            urls = {one.get("url") for one in value}
            found[name] = [*(one for one in base.get(name, ()) if one.get("url") not in urls), *value]
        elif name == "slicing" or (name == "binding" and "valueSet" not in value):
            found[name] = {**base.get(name, {}), **value}
        elif name in PROSE and value.startswith("..."):
            found[name] = f"{base.get(name, '')}\n{value.removeprefix('...').lstrip()}".strip()
        else:
            _replace(found, name, value, over)
    return found, [*_cardinality(base, found, over), *_binding(base, over)]


def _replace(found: Json, name: str, value: Any, over: Json) -> None:
    """Put `value` in the place of what was there under the same name, with its extensions."""
    stem = next((stem for stem in CHOICES if name.removeprefix("_").startswith(stem)), None)
    for other in list(found):
        same = other.removeprefix("_").startswith(stem) if stem else other.removeprefix("_") == name.removeprefix("_")
        if same and other not in over:
            del found[other]
    found[name] = value


def retyped(base: Json, root: Json) -> Json:
    """Return the element `base` described as the root of its type's profile is, with all that its place demands."""
    kept = {name: base[name] for name in base if name in OF_THE_PLACE or name.startswith(CHOICES)}
    keys = {one["key"] for one in root.get("constraint", ())}
    rules = [*root.get("constraint", ()), *(one for one in base.get("constraint", ()) if one["key"] not in keys)]
    return {**root, **kept, **({"constraint": rules} if rules else {})}


def _constraints(base: Any, own: list[Json], source: str) -> list[Json]:
    """Return the constraints of both, an own one in the place of that with the same key; each says whose it is."""
    keys = {one["key"]: {**one, "source": one.get("source", source)} for one in own}
    return [*(keys.pop(one["key"], one) for one in base), *keys.values()]


def _cardinality(base: Json, found: Json, over: Json) -> list[Fault]:
    """Return what is wrong with the limits: wider than those of the base, or contradicting each other."""
    least, most = found.get("min", 0), number(found.get("max", "*"))
    if "min" in over and least < base.get("min", 0):
        return [faults.less_than_base(least, base["min"])]
    if "max" in over and most > number(base.get("max", "*")):
        return [faults.more_than_base(found["max"], base["max"])]
    return [faults.least_above_most(least, found["max"])] if least > most else []


def number(max: str) -> float:
    """Return a maximum as a number; raise ValueError when it is neither a number nor `*`."""
    return float("inf") if max == "*" else int(max)


def _binding(base: Json, over: Json) -> list[Fault]:
    strength = over.get("binding", {}).get("strength", "required")
    if strength == "required" or base.get("binding", {}).get("strength") != "required":
        return []
    return [faults.loosened(strength)]


def strange_types(base: Json, over: Json, ancestors: Callable[[str], list[str]]) -> list[Fault]:
    """Return a fault for each type that the base does not allow: neither it nor one that it specializes."""
    allowed = {code(kind) for kind in base.get("type", ())}
    own = [code(kind) for kind in over.get("type", ())] if allowed else []
    return [
        faults.strange_type(name, allowed)
        for name in own
        if name not in allowed and allowed.isdisjoint(ancestors(name))
    ]


def code(kind: Json) -> str:
    """Return the name of a type: of `http://hl7.org/fhirpath/System.String` the FHIR type that it stands for."""
    named = str(kind.get("code", ""))
    if not named.startswith("http://hl7.org/fhirpath/"):
        return named
    told = (one.get("valueUrl") for one in kind.get("extension", ()) if one.get("url") == FHIR_TYPE)
    return str(next(told, None) or named.rpartition(".")[2].lower())
