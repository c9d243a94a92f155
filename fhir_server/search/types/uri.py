"""URI search: exact, and for canonical URLs with or without a version.

https://hl7.org/fhir/R4/search.html#uri · https://hl7.org/fhir/R4/references.html#canonical
"""

import re
from typing import NamedTuple

from fhir_server.search.entries import Span, abbreviate, beginnings, escape
from fhir_server.search.values import Context, Invalid, Reader, unescape

LONGEST = 200  # characters of a URL whose place in a hierarchy is asked for
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^/]+")


class Near(NamedTuple):
    """The URLs above or below one, by its path; itself included."""

    url: str
    modifier: str  # "above" or "below"


class Uri(NamedTuple):
    """A URI; of a canonical URL also the version when the client named one."""

    uri: str
    version: str | None = None


def parse(text: str, *, canonical: bool) -> Uri:
    """Read a URI, of a canonical element also `url|version`; raise Invalid when it is empty or holds white space."""
    wanted = unescape(text)
    uri, bar, version = wanted.rpartition("|") if canonical and "|" in wanted else (wanted, "", "")
    if not uri or any(character.isspace() for character in wanted):
        raise Invalid(
            f"'{text[:100]}' is no URI: write it whole and without spaces",
            f"'{text[:100]}' không phải URI: hãy viết đầy đủ và không có khoảng trắng",
        )
    return Uri(uri, version if bar else None)


def parse_near(text: str, modifier: str) -> Near:
    """Read a URL whose place in a hierarchy is asked for; raise Invalid when it has none, as URNs."""
    url = parse(text, canonical=False).uri
    if not _URL.match(url) or len(url) > LONGEST:
        raise Invalid(
            f"'{text[:100]}' is no URL of at most {LONGEST} characters: only these have a hierarchy",
            f"'{text[:100]}' không phải URL dài tối đa {LONGEST} ký tự: chỉ URL mới có phân cấp",
        )
    return Near(url, modifier)


def rest(uri: str, version: str) -> str:
    """Return what a URI is indexed under; `version` is "" for one that is no canonical."""
    return f"|{abbreviate(uri)}|{escape(version)}"


def reader(fhir_type: str, context: Context) -> Reader | None:
    """Return how values of `fhir_type` are indexed; None when a URI parameter cannot speak of that type."""
    if fhir_type == "canonical":
        return lambda value: (canonical_rest(value),)
    if fhir_type in {"uri", "url", "oid", "uuid"}:
        return lambda value: (rest(value, ""),)
    return None


def canonical_rest(value: str) -> str:
    """Return what `url|version` is indexed under."""
    url, bar, version = value.rpartition("|")
    return rest(url, version) if bar else rest(value, "")


def match(wanted: Uri) -> list[Span]:
    """Return the spans of entries that `wanted` describes; without a version every version matches."""
    if wanted.version is None:
        return [Span.prefix(f"|{abbreviate(wanted.uri)}|")]
    return [Span(rest(wanted.uri, wanted.version))]


def match_near(wanted: Near) -> list[Span]:
    """Return the spans of entries that `wanted` describes, of whatever version."""
    url = wanted.url
    if wanted.modifier == "below":
        own = match(Uri(url))
        return [*own, *(Span.prefix(f"|{each}") for each in beginnings(url if url.endswith("/") else f"{url}/"))]
    found = _URL.match(url)
    assert found is not None  # parse_near has seen to it
    ends = [place for place in range(found.end(), len(url)) if url[place] == "/"]
    above = [url, *(url[: end + 1] for end in ends), *(url[:end] for end in ends)]
    return [span for each in dict.fromkeys(above) for span in match(Uri(each))]
