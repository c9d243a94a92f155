"""Bindings: whether a code, Coding, CodeableConcept or Quantity is of the value set that its element is bound to.

https://hl7.org/fhir/R4/terminologies.html#strength
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from fhir_server.definitions import Definitions
from fhir_server.definitions.model import Binding
from fhir_server.outcome import Severity
from fhir_server.validation.primitives import Fault, Primitive, text_fault
from fhir_server.validation.report import CodeIsIn, Path, Walk, shown

Json = dict[str, Any]
Check = Callable[[Any, Path, Walk], None]
Codes = Mapping[str, frozenset[str]]  # system → codes

MIME_TYPES: Final = "http://hl7.org/fhir/ValueSet/mimetypes"
# RFC 6838 names, parameters allowed; and FHIR's own abbreviations (https://hl7.org/fhir/R4/http.html#mime-type).
MIME: Final = re.compile(
    r"[A-Za-z0-9][\w!#$&^.+-]{0,126}/[A-Za-z0-9*][\w!#$&^.+*-]{0,126}(\s*;.*)?|xml|json|ttl"
).fullmatch
MOVING: Final = "http://terminology.hl7.org/"
MAX_CODE, MAX_CODES = 64, 500  # characters of a code, codes of a system, that are compared with each other
MAX_LISTED: Final = 12  # codes that a text names; of more it names the nearest


def code(binding: Binding, codes: Codes | None) -> Primitive | None:
    """Return the check of a `code`, or None when the value set cannot be enumerated here."""
    if binding.value_set == MIME_TYPES:
        return Primitive(_mime_type)
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

    return Primitive(check, allowed.__contains__)


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


SEVERITIES: Final[Mapping[str, Severity]] = {"required": "error", "extensible": "warning", "preferred": "information"}


def check(
    kind: str, element: str, binding: Binding, definitions: Definitions, profile: str | None = None
) -> Check | None:
    """Return the check of a value of type `kind`, or None when nothing can be said of it.

    Codes that are not known here become a question when a profile asks for them; of R4's own value sets that nobody can
    enumerate (all languages, all units) nothing is asked.
    """
    if binding.strength not in SEVERITIES or binding.value_set == MIME_TYPES:
        return None
    codes = definitions.codes(binding.value_set)
    if codes is None and (profile is None or binding.strength == "preferred"):
        return None
    bound = _Bound(element, binding, codes, definitions.periods, profile)
    match kind:
        case "code" | "string" | "uri":
            return bound.text
        case "CodeableConcept":
            return bound.concept
        case "Coding" | "Quantity" | "Age" | "Count" | "Distance" | "Duration" | "SimpleQuantity" | "MoneyQuantity":
            return bound.coding
        case _:
            return None


@dataclass(frozen=True, slots=True)
class _Bound:
    """An element, the value set that it is bound to, and what is known of it."""

    element: str
    binding: Binding
    codes: Codes | None
    periods: Mapping[str, Mapping[str, tuple[str, str]]]
    profile: str | None

    def text(self, value: Any, path: Path, walk: Walk) -> None:
        """Check a code, whose system is understood."""
        if type(value) is not str:
            return
        if self.codes is None:
            self._ask(((None, value),), path, walk)
        elif not any(value in members for members in self.codes.values()):
            self._report([value], path, walk)

    def coding(self, value: Any, path: Path, walk: Walk) -> None:
        """Check a Coding, or the unit of a Quantity."""
        if type(value) is not dict:
            return
        if "code" in value:
            self._any([value], path, walk)
        elif self.binding.strength == "required" and self.codes is not None:
            self._report([value], path, walk)

    def concept(self, value: Any, path: Path, walk: Walk) -> None:
        """Check a CodeableConcept: one of its codings is enough; text alone is, where others than these may be used."""
        if type(value) is not dict:
            return
        codings = value.get("coding")
        if type(codings) is list and codings:
            self._any(codings, path, walk)
        elif self.binding.strength == "required":
            self._report([], path, walk)

    def _any(self, codings: list[Any], path: Path, walk: Walk) -> None:
        told = [(one.get("system"), one.get("code")) for one in codings if type(one) is dict]
        # A list or object in their place has been reported; it cannot be looked up.
        known = [(system, code) for system, code in told if type(system) is str and type(code) is str]
        if self.codes is None:
            if known:
                self._ask(tuple(known), path, walk)
            return
        found = [(system, code) for system, code in known if code in self.codes.get(system, ())]
        if not found:
            self._report(codings, path, walk)
        elif self.periods:
            self._hold(found, path, walk)

    def _hold(self, found: list[tuple[str, str]], path: Path, walk: Walk) -> None:
        """Check that one of the codes that were found holds on the day that counts."""
        late = []
        for system, code in found:
            period = self.periods.get(system, {}).get(code)
            if period is None:
                return
            walk.dated += 1
            if walk.days is None or (period[0] <= walk.days[1] and walk.days[0] <= period[1]):
                return
            late.append(_late(system, code, period, walk.days))
        walk.add(self._severity, "code-invalid", path, f"{self.element}:period", late[0], self.profile)

    @property
    def _severity(self) -> Severity:
        return SEVERITIES[self.binding.strength]

    def _ask(self, codings: tuple[tuple[str | None, str], ...], path: Path, walk: Walk) -> None:
        rule = f"{self.element}:binding"
        asked = CodeIsIn(self.binding.value_set, codings, self._severity, walk.days, path, rule, self.profile)
        walk.dated += 1
        walk.asked.append(asked)

    def _report(self, codings: list[Any], path: Path, walk: Walk) -> None:
        if self.binding.strength == "preferred" and not walk.best_practice:
            return  # an encouragement, for who asks for good advice
        codes = self.codes or {}
        allowed: frozenset[str] = frozenset().union(*codes.values())
        if len(allowed) <= MAX_LISTED:
            listed = " | ".join(f"{system}#{value}" for system in sorted(codes) for value in sorted(codes[system]))
        else:
            listed = " | ".join(sorted(codes))
        texts = not_in([_shown(coding) for coding in codings[:3]], self.binding.value_set, self._severity, listed)
        walk.add(self._severity, "code-invalid", path, f"{self.element}:binding", texts, self.profile)


def _late(system: str, code: str, period: tuple[str, str], days: tuple[str, str]) -> tuple[str, str]:
    """Say of a code that it did not hold on any of the `days`."""
    since, until = period
    when = days[0] if days[0] == days[1] else f"{days[0]}/{days[1]}"
    lasts = (f"from {since}", f"từ {since}") if days[1] < since else (f"until {until}", f"đến hết {until}")
    return (
        f"{shown(code)} of {system} holds {lasts[0]} and not on {when}: use the code of that day",
        f"Mã {shown(code)} của {system} chỉ có hiệu lực {lasts[1]}, không dùng cho ngày {when}: hãy dùng mã "
        "có hiệu lực vào ngày đó",
    )


def not_in(codings: Sequence[str], value_set: str, severity: Severity, listed: str = "") -> tuple[str, str]:
    """Say that none of `codings` is in the value set; `listed` tells what to use."""
    found = ", ".join(codings) or "(no code)"
    required = severity == "error"
    instead = listed or value_set
    return (
        f"{found} is not in the value set {value_set}: {'use' if required else 'prefer'} {instead}",
        f"{found} không thuộc danh mục {value_set}: {'hãy' if required else 'nên'} dùng {instead}",
    )


def unknown_code(definitions: Definitions) -> Check:
    """Return the check that the code of a Coding is one of its system, where all codes of the system are known."""

    def check(value: Json, path: Path, walk: Walk) -> None:
        system, code = value.get("system"), value.get("code")
        if type(system) is not str or type(code) is not str:
            return
        if ":" not in system:
            walk.error(
                "code-invalid",
                path,
                "Coding.system:absolute",
                f"'{shown(system)}' is not an absolute URI: write the canonical URL of the code system",
                f"'{shown(system)}' không phải URI tuyệt đối: hãy ghi URL chuẩn của hệ mã",
            )
            return
        members = definitions.codes_of_system(system)
        if members is not None and code not in members:
            # These systems go on while R4 stands still: a code that is not known here may be a new one.
            severity: Severity = "warning" if system.startswith(MOVING) else "error"
            near = _near(code, members, walk)
            remedy_en, remedy_vi = (
                (f"did you mean {near}?", f"có phải là {near} không?")
                if near
                else ("correct the code or the system", "hãy sửa mã hoặc hệ mã")
            )
            walk.add(
                severity,
                "code-invalid",
                path,
                "Coding.code:unknown",
                (
                    f"{shown(code)} is not a code of {system}: {remedy_en}",
                    f"{shown(code)} không phải mã của {system}: {remedy_vi}",
                ),
            )

    return check


def _near(code: str, members: Collection[str], walk: Walk) -> str | None:
    """Return the code that was probably meant, of a code system that is not too large to look through."""
    if walk.suggestions <= 0 or len(code) > MAX_CODE or not 0 < len(members) <= MAX_CODES:
        return None
    walk.suggestions -= 1
    near = get_close_matches(code.casefold(), {member.casefold(): member for member in members}, n=1, cutoff=0.8)
    return next((member for member in members if member.casefold() == near[0]), None) if near else None


def _shown(coding: Any) -> str:
    if type(coding) is not dict:
        return shown(coding)
    return shown(f"{coding.get('system', '')}#{coding.get('code', '')}")
