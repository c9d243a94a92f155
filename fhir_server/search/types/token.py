"""Token search: how a token is read, indexed and matched.

Codes are compared without case, except those of code systems that are known to tell case apart. Who asks for a code
without its system finds it as written, and in lower case.

https://hl7.org/fhir/R4/search.html#token
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fhir_server.search.entries import PRESENT, Span, abbreviate, escape
from fhir_server.search.types import string
from fhir_server.search.types.string import Text
from fhir_server.search.values import Context, Invalid, Reader, split, unescape

Json = dict[str, Any]

WITH_SYSTEM = {"Coding", "CodeableConcept", "Identifier"}
# The types that a modifier needs one of; the other modifiers suit every token.
CARRIERS = {
    "of-type": {"Identifier"},
    "text": WITH_SYSTEM,
    **{modifier: {"Coding", "CodeableConcept", "code"} for modifier in ("in", "not-in", "above", "below")},
}
PHONES = {"phone", "fax", "pager", "sms"}
_PUNCTUATION = re.compile(r"[\s().\-]+")
_ANY_CODE = r"\|(?:[^\\|\n]|\\.)*\|"
_END = r"(?![^\n])"


class Token(NamedTuple):
    """`system|code` as the client wrote it."""

    system: str | None  # None: any system; "": no system at all
    code: str | None  # None: any code of the system


class OfType(NamedTuple):
    """`system|code|value` of `:of-type`: an Identifier by its type and value."""

    system: str
    code: str
    value: str


def parse(text: str) -> Token:
    """Read `code`, `|code`, `system|` or `system|code`; raise Invalid otherwise."""
    parts = [unescape(part) for part in split(text, "|")]
    match parts:
        case [code] if code:
            return Token(None, code)
        case [system, ""] if system:
            return Token(system, None)
        case [system, code] if code:
            return Token(system, code)
    raise Invalid(
        f"'{text[:100]}' is no token: write code, system|code, |code or system|",
        f"'{text[:100]}' không phải token: hãy viết mã, hệ thống|mã, |mã hoặc hệ thống|",
    )


def parse_of_type(text: str) -> OfType:
    """Read `system|code|value`; raise Invalid when a part is missing."""
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) != 3 or not all(parts):
        raise Invalid(
            f"'{text[:100]}' does not fit :of-type: write system|code|value",
            f"'{text[:100]}' không hợp với :of-type: hãy viết hệ thống|mã loại|giá trị",
        )
    return OfType(*parts)


def fold(system: str, code: str, context: Context) -> str:
    """Return the form in which codes of `system` are compared: as it is where case is known to matter."""
    return code if system in context.case_sensitive else code.casefold()


def rest(system: str, code: str, context: Context) -> str:
    """Return what a Coding or Identifier is indexed under; "" stands for a part that is absent."""
    return f"|{escape(fold(system, code, context))}|{abbreviate(system)}"


def reader(fhir_type: str, context: Context) -> Reader | None:
    """Return how values of `fhir_type` are indexed; None when a token parameter cannot speak of that type."""

    def code_of(value: Json) -> list[str]:
        code, system = value.get("code", ""), value.get("system", "")
        return [rest(system, code, context)] if code or system else []

    def coding(value: Json) -> Iterable[str]:
        return _with_texts(code_of(value), value.get("display"))

    def concept(value: Json) -> Iterable[str]:
        items = value.get("coding", ())
        codes = [each for item in items for each in code_of(item)]
        texts = [value["text"]] if value.get("text") else [item.get("display") for item in items]
        return _with_texts(codes, *texts)

    def identifier(value: Json) -> Iterable[str]:
        text, system = value.get("value", ""), value.get("system", "")
        label = value.get("type", {}).get("text")
        if not text and not system:
            return _with_texts([], label)
        found = _with_texts([rest(system, text, context)], label)
        if text:
            for kind in value.get("type", {}).get("coding", ()):
                if kind.get("code"):
                    found.append(of_type_rest(OfType(kind.get("system", ""), kind["code"], text), context))
        return found

    readers: dict[str, Reader] = {
        "Coding": coding,
        "CodeableConcept": concept,
        "Identifier": identifier,
        "ContactPoint": _contact_point,
        "boolean": lambda value: ("|true|" if value else "|false|",),
        "string": lambda value: (f"|{escape(value.casefold())}|",),
    }
    if fhir_type in {"code", "uri", "url", "canonical", "oid", "uuid", "id", "markdown"}:
        return lambda value: (f"|{escape(value)}|",)
    if fhir_type in {"integer", "positiveInt", "unsignedInt"}:
        return lambda value: (f"|{value}|",)
    return readers.get(fhir_type)


def _with_texts(rests: list[str], *texts: str | None) -> list[str]:
    """Return `rests` and those of what people read, for `:text`.

    Of a CodeableConcept that is its text; the displays of its codings, which mostly repeat it, only where it has none.
    """
    found = [f":text|{folded[: string.QUERY]}" for text in texts if text and (folded := string.fold(text))]
    # Without a code the value is still there, which no entry of another form tells.
    return [*(rests or [PRESENT]), *dict.fromkeys(found)] if found else rests


def match_text(wanted: Text) -> list[Span]:
    """Return the spans of entries whose text begins with `wanted`."""
    return [Span.prefix(f":text|{string.fold(wanted.text)[: string.QUERY]}")]


def of_type_rest(wanted: OfType, context: Context) -> str:
    """Return the second entry of an Identifier that has a type."""
    kind = f"{escape(fold(wanted.system, wanted.code, context))}|{abbreviate(wanted.system)}"
    return f":of-type|{kind}|{escape(wanted.value.casefold())}"


def _contact_point(value: Json) -> Iterable[str]:
    text = value.get("value", "")
    if value.get("system") in PHONES:
        text = _PUNCTUATION.sub("", text) or text
    return (f"|{escape(text.casefold())}|",) if text else ()


def match(
    wanted: Token | OfType, context: Context, implied: Mapping[str, frozenset[str]], *, systems: bool = True
) -> list[Span]:
    """Return the spans of entries that `wanted` describes.

    `implied`: the codes by system of elements of type `code`, whose entries hold no system; `systems`: whether there
    are other elements at all. (Without them a code has one place in the index, in which results lie newest first.)
    """
    if isinstance(wanted, OfType):
        return [Span(of_type_rest(wanted, context))]
    system, code = wanted
    if code is None:
        return _of_system(system or "", implied)
    if system is None:
        forms = dict.fromkeys((code, code.casefold(), _PUNCTUATION.sub("", code) if _phone(code) else code))
        return [Span.prefix(f"|{escape(form)}|") if systems else Span(f"|{escape(form)}|") for form in forms]
    if not system:
        return [Span(f"|{escape(form)}|") for form in dict.fromkeys((code, code.casefold()))]
    own = [Span(f"|{escape(code)}|")] if code in implied.get(system, ()) else []
    return [Span(rest(system, code, context)), *own]


def _of_system(system: str, implied: Mapping[str, frozenset[str]]) -> list[Span]:
    spans = [Span.prefix("|", f"{_ANY_CODE}{re.escape(abbreviate(system))}{_END}")]
    if system in implied:
        spans.append(Span.prefix("|", f"{_ANY_CODE}{_END}"))
    return spans


def _phone(text: str) -> bool:
    """True for what looks like a phone number, which is indexed without its punctuation."""
    return any(character.isdigit() for character in text) and not re.search(r"[^\d\s+().\-]", text)
