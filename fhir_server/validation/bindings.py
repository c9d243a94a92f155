"""Bindings: whether a code, Coding, CodeableConcept or Quantity is of the value set that its element is bound to.

https://hl7.org/fhir/R4/terminologies.html#strength
"""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from fhir_server.definitions.model import Binding
from fhir_server.validation.primitives import Fault, Primitive, text_fault
from fhir_server.validation.report import Path, Walk, shown

Json = dict[str, Any]
Check = Callable[[Any, Path, Walk], None]
Codes = Mapping[str, frozenset[str]]  # system → codes

MIME_TYPES: Final = "http://hl7.org/fhir/ValueSet/mimetypes"
# RFC 6838 names, parameters allowed; and FHIR's own abbreviations (https://hl7.org/fhir/R4/http.html#mime-type).
MIME: Final = re.compile(
    r"[A-Za-z0-9][\w!#$&^.+-]{0,126}/[A-Za-z0-9*][\w!#$&^.+*-]{0,126}(\s*;.*)?|xml|json|ttl"
).fullmatch
MAX_LISTED: Final = 12  # codes that a text names; of more it names the nearest


def code(binding: Binding, codes: Codes | None) -> Primitive | None:
    """Return the check of a `code`, or None when the value set cannot be enumerated here."""
    if binding.value_set == MIME_TYPES:
        return _mime_type
    if codes is None:
        return None
    allowed = frozenset().union(*codes.values())

    def check(value: Any) -> Fault | None:
        if type(value) is str and value in allowed:
            return None
        if fault := text_fault(value):
            return fault
        en, vi = _instead(value, allowed)
        return Fault(
            "code-invalid",
            f"'{shown(value)}' is not a code of {_name(binding)}: {en}",
            f"'{shown(value)}' không có trong danh mục {_name(binding)}: {vi}",
        )

    return check


def _mime_type(value: Any) -> Fault | None:
    if type(value) is str and MIME(value):
        return None
    return text_fault(value) or Fault(
        "code-invalid",
        f"'{shown(value)}' is not a MIME type: write one such as application/pdf",
        f"'{shown(value)}' không phải kiểu MIME: hãy ghi ví dụ application/pdf",
    )


def _name(binding: Binding) -> str:
    return binding.value_set.rpartition("/")[2]


def _instead(value: str, allowed: frozenset[str]) -> tuple[str, str]:
    if len(allowed) <= MAX_LISTED:
        listed = " | ".join(sorted(allowed))
        return f"use {listed}", f"hãy dùng {listed}"
    near = get_close_matches(value[:MAX_LISTED], allowed, n=1) if len(allowed) < 1000 else []
    if near:
        return f"did you mean '{near[0]}'?", f"có phải là '{near[0]}' không?"
    return "use one of that value set", "hãy dùng mã trong danh mục đó"


def concept(
    kind: str,
    element: str,
    binding: Binding,
    codes_of: Callable[[str], Codes | None],
    profile: str | None = None,
) -> Check | None:
    """Return the check of a Coding, CodeableConcept or Quantity; None when nothing can be checked."""
    codes = codes_of(binding.value_set)
    if codes is None or binding.strength not in ("required", "extensible"):
        return None
    if kind == "Coding":
        return _coding(element, binding, codes, profile)
    if kind == "CodeableConcept":
        return _codeable_concept(element, binding, codes, profile)
    # Quantity and its specialisations: the unit's code
    return _coding(element, binding, codes, profile) if kind not in ("code", "string", "uri") else None


def _holds(codes: Codes, coding: Any) -> bool:
    if type(coding) is not dict:
        return False
    system, value = coding.get("system"), coding.get("code")
    # A list or object in their place has been reported; it cannot be looked up.
    return type(system) is str and type(value) is str and value in codes.get(system, ())


def _coding(element: str, binding: Binding, codes: Codes, profile: str | None) -> Check:
    def check(value: Json, path: Path, walk: Walk) -> None:
        if not _holds(codes, value) and ("code" in value or binding.strength == "required"):
            _report([value], element, binding, codes, path, walk, profile)

    return check


def _codeable_concept(element: str, binding: Binding, codes: Codes, profile: str | None) -> Check:
    def check(value: Json, path: Path, walk: Walk) -> None:
        codings = value.get("coding")
        codings = codings if type(codings) is list else []
        if any(_holds(codes, coding) for coding in codings):
            return
        if codings or binding.strength == "required":  # text alone is enough where the value set is extensible
            _report(codings, element, binding, codes, path, walk, profile)

    return check


def _report(
    codings: list[Any], element: str, binding: Binding, codes: Codes, path: Path, walk: Walk, profile: str | None
) -> None:
    found = ", ".join(_shown(coding) for coding in codings[:3]) or "(no code)"
    allowed: frozenset[str] = frozenset().union(*codes.values())
    if len(allowed) <= MAX_LISTED:
        listed = " | ".join(f"{system}#{value}" for system in sorted(codes) for value in sorted(codes[system]))
    else:
        listed = " | ".join(sorted(codes))
    required = binding.strength == "required"
    walk.add(
        "error" if required else "warning",
        "code-invalid",
        path,
        f"{element}:binding",
        (
            f"{found} is not in the value set {binding.value_set}: {'use' if required else 'prefer'} {listed}",
            f"{found} không thuộc danh mục {binding.value_set}: {'hãy' if required else 'nên'} dùng {listed}",
        ),
        profile,
    )


def _shown(coding: Any) -> str:
    if type(coding) is not dict:
        return shown(coding)
    return shown(f"{coding.get('system', '')}#{coding.get('code', '')}")
