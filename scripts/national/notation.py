"""A short way of writing FHIR's conformance resources, and one line of JSON for each part that fits on one.

https://hl7.org/fhir/R4/profiling.html · https://hl7.org/fhir/R4/structuredefinition.html

A text is written in English and Vietnamese; the second becomes the `translation` extension of the first.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

Json = dict[str, Any]

R4 = "http://hl7.org/fhir/StructureDefinition"
TRANSLATION = f"{R4}/translation"
CORE = "http://fhir.hl7.org.vn/core"  # VN Core, community draft
MINISTRY = "http://fhir.ehealth.gov.vn/core"  # draft of the Ministry of Health
OWN = "https://fhir.tiemchung.vn"
DATE = "2026-11-22"
WIDTH = 240  # characters of a line of JSON

PROFILES = Path(__file__).parents[2] / "profiles"


class Publication(NamedTuple):
    """Who publishes a set of resources, and what each of them repeats."""

    folder: str
    canonical: str
    version: str
    publisher: str
    copyright: str | None = None

    def url(self, type: str, id: str) -> str:
        """Return the canonical URL of a resource of the set."""
        return f"{self.canonical}/{type}/{id}"


ATTRIBUTION = (
    "Facts from: VN Core FHIR Implementation Guide v0.6.0 — Omi HealthTech / VN Core FHIR Community Initiative — "
    "https://hl7.org.vn — CC-BY-4.0. Changed: rebuilt from what the published pages show; it is not the guide's own "
    "resource and not endorsed by its authors or by any state agency."
)
COMMUNITY = Publication(
    "vn-core",
    CORE,
    "0.5.1-partial",
    "Omi HealthTech / VN Core FHIR Community Initiative (facts); this project (form)",
    ATTRIBUTION,
)
PROGRAMME = Publication("programme", OWN, "0.2.0", "Immunization server project")
MOH = Publication(
    "moh-ehealth",
    MINISTRY,
    "1.0.0",
    "Cục Công nghệ thông tin - Bộ Y tế (facts); this project (form)",
    "Facts from https://github.com/hl7vn/vn-core-ig (8e6b6e0), draft of the Ministry of Health, CC0-1.0. "
    "Changed: rebuilt by a script from its rows; not endorsed by its authors.",
)

Text = tuple[str, str]  # English, Vietnamese


def translated(name: str, text: Text) -> Json:
    """Return property `name` in English with its Vietnamese translation beside it."""
    english, vietnamese = text
    parts = [{"url": "lang", "valueCode": "vi"}, {"url": "content", "valueString": vietnamese}]
    return {name: english, f"_{name}": {"extension": [{"url": TRANSLATION, "extension": parts}]}}


def element(id: str, short: Text | None = None, **facts: Any) -> Json:
    """Return the ElementDefinition `id` ("Patient.identifier:CCCD.value") with the properties `facts`."""
    last = id.rpartition(".")[2]
    found: Json = {"id": id, "path": ".".join(part.partition(":")[0] for part in id.split("."))}
    if ":" in last:
        found["sliceName"] = last.partition(":")[2]
    found |= {"slicing": facts.pop("slicing")} if "slicing" in facts else {}
    found |= translated("short", short) if short else {}
    order = ("requirements", "min", "max", "type")
    found |= {name: facts.pop(name) for name in order if name in facts}
    late = ("constraint", "mustSupport", "binding")
    held = {name: facts.pop(name) for name in late if name in facts}
    return found | facts | held


def by(path: str) -> Json:
    """Return an open slicing told apart by the value at `path`."""
    return {"discriminator": [{"type": "value", "path": path}], "ordered": False, "rules": "open"}


def extension(url: str) -> list[Json]:
    """Return the type of an element that is the extension `url`."""
    return [{"code": "Extension", "profile": [url]}]


def reference(*targets: str) -> list[Json]:
    """Return the type of a reference to `targets`, which are profiles or names of R4 types."""
    urls = [target if target.startswith("http") else f"{R4}/{target}" for target in targets]
    return [{"code": "Reference", "targetProfile": urls}]


def bound(strength: str, value_set: str) -> Json:
    """Return a binding."""
    return {"strength": strength, "valueSet": value_set}


def rule(key: str, severity: str, human: Text, expression: str, basis: str) -> Json:
    """Return a constraint that names its regulation in `requirements`; the profile becomes its source."""
    return {
        "key": key,
        "requirements": basis,
        "severity": severity,
        **translated("human", human),
        "expression": expression,
    }


def numbered(
    type: str, slice: str, system: str, short: Text, *, rules: Iterable[Json] = (), **facts: Any
) -> list[Json]:
    """Return the slice of `type`.identifier with a system of its own, its value demanded and bound by `rules`."""
    path = f"{type}.identifier:{slice}"
    constraints = {"constraint": list(rules)} if rules else {}
    return [
        element(path, short, **facts),
        element(f"{path}.system", min=1, fixedUri=system),
        element(f"{path}.value", short, min=1, **constraints),
    ]


def head(of: Publication, type: str, id: str, title: Text, description: str, **more: Any) -> Json:
    """Return what every conformance resource begins with."""
    return {
        "resourceType": type,
        "id": id,
        "url": of.url(type, id),
        "version": of.version,
        "name": name(id),
        "title": " — ".join(title),
        "status": "draft",
        **more,
        "date": DATE,
        "publisher": of.publisher,
        "description": description,
        **({"copyright": of.copyright} if of.copyright else {}),
    }


def name(id: str) -> str:
    """Return the computable name that follows from an id: "vn-imm-patient" is VNImmPatient."""
    return "".join("VN" if part == "vn" else part[:1].upper() + part[1:] for part in id.split("-"))


def profile(
    of: Publication, id: str, base: str, title: Text, description: str, elements: Iterable[Json], purpose: str = ""
) -> Json:
    """Return the StructureDefinition that constrains `base`: an R4 type by its name, or a profile by its URL."""
    laid = list(elements)
    url = of.url("StructureDefinition", id)
    for part in laid:
        for constraint in part.get("constraint", ()):
            constraint["source"] = url
    kind = laid[0]["path"].partition(".")[0]
    return {
        **head(of, "StructureDefinition", id, title, description),
        **({"purpose": purpose} if purpose else {}),
        "fhirVersion": "4.0.1",
        "kind": "complex-type" if kind in ("Address", "Extension") else "resource",
        "abstract": False,
        "type": kind,
        "baseDefinition": base if base.startswith("http") else f"{R4}/{base}",
        "derivation": "constraint",
        "differential": {"element": laid},
    }


def simple_extension(
    of: Publication, id: str, title: Text, contexts: Iterable[str], value: Json, note: str = "", **limits: Any
) -> Json:
    """Return the definition of an extension with one value; `value` says of what type and bound to what."""
    elements = [
        element("Extension", title, **limits),
        element("Extension.extension", max="0"),
        element("Extension.url", fixedUri=of.url("StructureDefinition", id)),
        element("Extension.value[x]", title, min=1, **value),
    ]
    return _of_extension(of, id, title, contexts, elements, note)


def complex_extension(
    of: Publication,
    id: str,
    title: Text,
    contexts: Iterable[str],
    parts: dict[str, tuple[Text, Json]],
    note: str = "",
    **limits: Any,
) -> Json:
    """Return the definition of an extension made of parts, by the url of each; `max` is 1 where a part says nothing."""
    elements = [element("Extension", title, **limits), element("Extension.extension", slicing=by("url"))]
    for part, (text, value) in parts.items():
        least = {"min": value.pop("min")} if "min" in value else {}
        path = f"Extension.extension:{part}"
        elements += [
            element(path, text, **least, max=value.pop("max", "1")),
            element(f"{path}.extension", max="0"),
            element(f"{path}.url", fixedUri=part),
            element(f"{path}.value[x]", text, min=1, **value),
        ]
    elements += [
        element("Extension.url", fixedUri=of.url("StructureDefinition", id)),
        element("Extension.value[x]", max="0"),
    ]
    return _of_extension(of, id, title, contexts, elements, note)


def _of_extension(
    of: Publication, id: str, title: Text, contexts: Iterable[str], elements: list[Json], note: str
) -> Json:
    found = profile(of, id, "Extension", title, f"{title[0]}. {note}".strip(), elements)
    where = [{"type": "element", "expression": context} for context in contexts]
    names = list(found)
    at = names.index("type")
    return {key: found[key] for key in names[:at]} | {"context": where} | {key: found[key] for key in names[at:]}


def of_type(*codes: str, **more: Any) -> Json:
    """Return the facts of a value of one of the types `codes`."""
    return {"type": [{"code": code} for code in codes], **more}


def rendered(value: Any, depth: int = 0) -> str:
    """Return `value` as JSON: on one line where it fits, else a line for each part, so that changes can be read."""
    line = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if not isinstance(value, dict | list) or (len(line) + depth <= WIDTH and depth):
        return line
    inner, outer = " " * (depth + 1), " " * depth
    if isinstance(value, list):
        body = [f"{inner}{rendered(part, depth + 1)}" for part in value]
        return "[\n" + ",\n".join(body) + f"\n{outer}]"
    body = [f"{inner}{json.dumps(key)}: {rendered(part, depth + 1)}" for key, part in value.items()]
    return "{\n" + ",\n".join(body) + f"\n{outer}}}"
