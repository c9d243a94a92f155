"""String search: how a string is folded, read, indexed and matched.

Vietnamese is written with marks that people leave out when they search: they are folded away, and so is the bar of đ,
which Unicode does not decompose. A name or an address is found from the beginning of any of its words.

https://hl7.org/fhir/R4/search.html#string
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from fhir_server.search.entries import Span, escape
from fhir_server.search.values import Context, Invalid, Reader, unescape

Json = dict[str, Any]

LONGEST = 512  # characters of a folded value that are kept; `:contains` sees no more
QUERY = 128  # characters that a client may search for
WORDS = 16  # beginnings of words indexed in one name or address line

_MARKS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]+")
# Punctuation "should be ignored"; the sign | is no letter either and separates the parts of an entry.
_IGNORED = re.compile(
    r"[!-#%-*,\-./:;?@\[-\]_{|}\u00a1\u00a7\u00ab\u00b6\u00b7\u00bb\u00bf\u2010-\u2027\u2030-\u205e\u3001-\u3003]+"
)
_BETWEEN_WORDS = re.compile(f"(?:{_IGNORED.pattern}|\\s)+")

SORT = ":sort|"  # before the whole of a name: the first in the alphabet of its parts and words is no place to sort it

PARTS = {
    "HumanName": ("family", "given", "prefix", "suffix", "text"),
    "Address": ("line", "city", "district", "state", "country", "postalCode", "text"),
}


class Text(NamedTuple):
    """What a client looks for: at the beginning (None), `exact`, as `contains`, `equal` or `ending` but for case."""

    text: str
    modifier: Literal["exact", "contains", "equal", "ending"] | None = None


def parse(text: str, modifier: str | None = None) -> Text:
    """Read the value of a string parameter; raise Invalid when it is too long or only punctuation."""
    wanted = unescape(text)
    if len(wanted) > QUERY:
        raise Invalid(
            f"A search text may have {QUERY} characters at most, not {len(wanted)}: shorten it",
            f"Chuỗi tìm kiếm dài tối đa {QUERY} ký tự, không phải {len(wanted)}: hãy rút ngắn",
        )
    if modifier == "exact" and wanted:
        return Text(wanted, "exact")
    if not fold(wanted):
        raise Invalid(
            f"'{wanted}' holds no letter or digit to search for: write at least one",
            f"'{wanted}' không có chữ hay số nào để tìm: hãy viết ít nhất một ký tự",
        )
    return Text(wanted, "contains" if modifier == "contains" else None)


@lru_cache(maxsize=65536)
def fold(text: str) -> str:
    """Return `text` without case, marks, punctuation and superfluous white space.

    >>> fold("  NGUYỄN  Thị Đào ")
    'nguyen thi dao'
    """
    return " ".join(_IGNORED.sub("", _bare(text)).split())


def _bare(text: str) -> str:
    if text.isascii():
        return text.lower()
    return _MARKS.sub("", unicodedata.normalize("NFD", text.casefold())).replace("đ", "d")


@lru_cache(maxsize=65536)
def whole(text: str) -> str:
    """Return the rest of a whole value: folded for searching, and as it was written for `:exact`."""
    folded = fold(text)
    written = unicodedata.normalize("NFC", text)
    return f"|{folded[:LONGEST]}\t{'' if written == folded else escape(written)}"


@lru_cache(maxsize=65536)
def endings(text: str) -> tuple[str, ...]:
    """Return `text` folded from the beginning of each of its words but the first.

    >>> endings("Nguyễn Minh An")
    ('minh an', 'an')
    """
    bare = _bare(text)
    starts = [found.end() for found in _BETWEEN_WORDS.finditer(bare) if found.start() > 0 and found.end() < len(bare)]
    return tuple(fold(bare[start:])[:QUERY] for start in starts[:WORDS])


def reader(fhir_type: str, path: str, context: Context) -> Reader | None:
    """Return how values of `fhir_type` at `path` ("HumanName.given") are indexed; None when they cannot be."""
    if fhir_type in PARTS:
        parts = PARTS[fhir_type]
        composed = fhir_type == "HumanName"
        return lambda value: _compound(value, parts, composed=composed)
    if fhir_type not in {"string", "markdown", "code", "uri", "id", "date", "dateTime"}:
        return None
    if path.partition(".")[0] in PARTS:
        return lambda value: _covering([whole(value)], endings(value))
    return lambda value: (whole(value),)


def _compound(value: Json, parts: Iterable[str], *, composed: bool) -> list[str]:
    texts: list[str] = []
    for part in parts:
        found = value.get(part)
        if isinstance(found, str):
            texts.append(found)
        elif found:
            texts.extend(item for item in found if item is not None)
    later = [ending for text in texts for ending in endings(text)]
    name = value.get("text", "")
    if composed and not name:
        # Without a text the name is put together the Vietnamese way: family name first.
        name = " ".join([value.get("family", ""), *(given for given in value.get("given", ()) if given)])
        later += [fold(name)[:QUERY], *endings(name)]
    found = _covering([whole(text) for text in texts], later)
    if composed and (folded := fold(name)):
        found.append(f"{SORT}{folded[:QUERY]}")
    return found


def _covering(wholes: Iterable[str], later: Iterable[str]) -> list[str]:
    """Return the rests of whole values, and those endings that no other rest begins with."""
    kept = list(dict.fromkeys(wholes))
    for ending in sorted(set(later), key=len, reverse=True):
        rest = f"|{ending}"
        if ending and not any(other.startswith(rest) for other in kept):
            kept.append(rest)
    return kept


def match(wanted: Text) -> list[Span]:
    """Return the spans of entries that `wanted` describes."""
    if wanted.modifier == "exact":
        return [Span(whole(wanted.text))]
    folded = fold(wanted.text)
    if wanted.modifier == "contains":
        return [Span.prefix("|", rf"\|[^\t]*{re.escape(folded)}")]
    if wanted.modifier == "ending":
        return [Span.prefix("|", rf"\|[^\t]*{re.escape(folded)}\t")]
    if wanted.modifier == "equal":
        return [Span.prefix(f"|{folded[:LONGEST]}\t")]
    return [Span.prefix(f"|{folded}")]
