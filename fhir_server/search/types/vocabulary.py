"""Token search by meaning: `:in` and `:not-in` a value set, `:above` and `:below` a code in its system's hierarchy.

Both are answered from what was found out before (`Context.meanings`), else from the definitions that the server has
loaded; what these do not enumerate is refused.

https://hl7.org/fhir/R4/search.html#modifiers
"""

from collections.abc import Mapping
from typing import NamedTuple

from fhir_server.search.entries import Span
from fhir_server.search.types import token
from fhir_server.search.types.token import Token
from fhir_server.search.values import Context, Invalid, unescape

CODES = 1000  # that one value may stand for


class Codes(NamedTuple):
    """Any of several codes, each with its system."""

    tokens: tuple[Token, ...]


def parse_value_set(text: str, context: Context) -> Codes:
    """Return the codes of the value set called `text`; raise Invalid when they are not known or too many."""
    if (known := context.meanings.get(("in", text))) is not None:
        return _codes(text, list(known))
    url = unescape(text)
    found = context.definitions.codes(url)
    if found is None:
        raise Invalid(
            f"'{url[:200]}' is no value set whose codes this server can list: search for the codes themselves",
            f"'{url[:200]}' không phải tập giá trị mà máy chủ liệt kê được mã: hãy tìm theo từng mã",
        )
    return _codes(url, [(system, code) for system, codes in found.items() for code in codes])


def parse_hierarchy(text: str, modifier: str, implied: Mapping[str, frozenset[str]], context: Context) -> Codes:
    """Return the code `text` with all those below it (`modifier`: "below") or above it; raise Invalid when unknown.

    `implied`: the codes by system that elements of type `code` hold, for which the system may be left out.
    """
    if (known := context.meanings.get((modifier, text))) is not None:
        return _codes(text, list(known))
    wanted = token.parse(text)
    systems = (
        [wanted.system] if wanted.system else [system for system, codes in implied.items() if wanted.code in codes]
    )
    if wanted.code is None or len(systems) != 1:
        raise Invalid(
            f"'{text[:200]}' names no place in a hierarchy: write system|code",
            f"'{text[:200]}' không chỉ rõ vị trí trong phân cấp: hãy viết hệ thống|mã",
        )
    [system] = systems
    facts = context.definitions.code_systems.get(system)
    parents = {} if facts is None else {code: parent for code, _, parent in facts["concepts"]}
    if facts is None or not facts["complete"] or wanted.code not in parents:
        raise Invalid(
            f"'{text[:200]}': this server does not know that code's place in its system: search for codes themselves",
            f"'{text[:200]}': máy chủ không biết vị trí của mã này trong hệ thống: hãy tìm theo từng mã",
        )
    found = _above(wanted.code, parents) if modifier == "above" else _below(wanted.code, parents)
    return _codes(text, [(system, code) for code in found])


def _above(code: str, parents: Mapping[str, str | None]) -> list[str]:
    found: list[str] = []
    above: str | None = code
    while above is not None and above not in found:
        found.append(above)
        above = parents.get(above)
    return found


def _below(code: str, parents: Mapping[str, str | None]) -> list[str]:
    return [each for each in parents if code in _above(each, parents)]


def _codes(name: str, found: list[tuple[str, str]]) -> Codes:
    if not found:
        raise Invalid(
            f"'{name[:200]}' stands for no code at all: choose another set",
            f"'{name[:200]}' không gồm mã nào: hãy chọn tập khác",
        )
    if len(found) > CODES:
        raise Invalid(
            f"'{name[:200]}' stands for more than {CODES} codes: choose a smaller set",
            f"'{name[:200]}' gồm hơn {CODES} mã: hãy chọn tập nhỏ hơn",
        )
    return Codes(tuple(Token(system, code) for system, code in sorted(found)))


def match(wanted: Codes, context: Context, implied: Mapping[str, frozenset[str]]) -> list[Span]:
    """Return the spans of entries that any of the codes describes."""
    return [span for each in wanted.tokens for span in token.match(each, context, implied)]
