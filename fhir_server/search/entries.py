r"""Index entries: short readable strings in one array, and the spans of them that a search looks for.

An entry is the name under which a search parameter is indexed and a *rest*: `vaccine-code` + `|08|~cvx`. Every rest
begins with `|`, or with `:` and a word for a second form of the parameter (`patient:identifier|…`). Inside a rest,
values are escaped so that `|`, tab and newline only ever separate:

    token       |code|system            reference   |id|Type   |absolute URL|
    string      |folded<tab>original    uri         |uri|version
                |folded from a later word
    date        |start-end              number      |value     |low/high
    quantity    |value code|system      composite   |rest<newline>|rest
                :ucum|base units|value

A name followed by `|` and a tab says that the parameter has a value which has no other entry.

https://hl7.org/fhir/R4/search.html
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from itertools import takewhile
from typing import Any, NamedTuple

import orjson

Condition = dict[str, Any]

PRESENT = "|\t"  # the rest that says: there is a value
LONGEST = 256  # characters of a code, identifier or URL kept as they are; longer ones keep their beginning and a digest
HIGHEST = "\U0010ffff"

_SPECIAL = re.compile(r"[\\|\n\t]")
_ESCAPES = str.maketrans({"\\": "\\\\", "|": "\\|", "\n": "\\n", "\t": "\\t"})
_FIELD = "[0-9Z~]"  # what encoded dates and numbers are made of; every separator sorts below it


def escape(text: str) -> str:
    r"""Return `text` so that it holds no bare `|`, tab or newline; bounded in length. No two texts give the same."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST - 33]}#{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
    return text.translate(_ESCAPES) if _SPECIAL.search(text) else text


@cache
def _dictionary() -> tuple[dict[str, str], list[tuple[str, str]]]:
    table = orjson.loads((files("fhir_server.search") / "data" / "systems.json").read_bytes())
    longest_first = sorted(table["prefixes"].items(), key=lambda row: -len(row[0]))
    return table["exact"], longest_first


@lru_cache(maxsize=65536)
def abbreviate(system: str) -> str:
    """Return the short name of a known system, or of its known beginning, marked `~`; others escaped as they are.

    The table is part of what the database holds: rows may be added before data comes, never changed.
    """
    exact, prefixes = _dictionary()
    if system in exact:
        return "~" + exact[system]
    for prefix, short in prefixes:
        if system.startswith(prefix):
            return "~" + short + escape(system.removeprefix(prefix))
    written = escape(system)
    return "\\" + written if written.startswith("~") else written


def beginnings(url: str) -> list[str]:
    """Return what the abbreviations of URLs that begin with `url`, but are longer, begin with.

    `url` is shorter than LONGEST by what a digest takes.
    """
    exact, prefixes = _dictionary()
    found = [f"~{short}|" for known, short in exact.items() if known.startswith(url) and known != url]
    found += [f"~{short}" for prefix, short in prefixes if prefix.startswith(url)]
    own = next(
        (f"~{short}{escape(url.removeprefix(prefix))}" for prefix, short in prefixes if url.startswith(prefix)), ""
    )
    written = escape(url)
    return [*found, own or ("\\" + written if written.startswith("~") else written)]


def successor(text: str) -> str:
    """Return the smallest string greater than every string that begins with `text`, in code point order.

    `text` holds a character below the highest, as every rest does.
    """
    head = text.rstrip(HIGHEST)
    following = ord(head[-1]) + 1
    return head[:-1] + chr(0xE000 if following == 0xD800 else following)


class Span(NamedTuple):
    """A set of rests: those equal to `low`, or from `low` up to but not including `high` that match `pattern`."""

    low: str
    high: str | None = None  # None: equal to `low`
    pattern: str | None = None  # a regular expression, read from the beginning of the rest

    @classmethod
    def prefix(cls, text: str, pattern: str | None = None) -> "Span":
        """Return the rests that begin with `text`."""
        return cls(text, successor(text), pattern)

    @property
    def exact(self) -> bool:
        """True when the span holds one rest only."""
        return self.high is None

    def intersection(self, other: "Span") -> "Span | None":
        """Return what lies in both; None when nothing can. For spans that are not exact."""
        if self.high is None or other.high is None:
            raise ValueError("an exact span")
        low, high = max(self.low, other.low), min(self.high, other.high)
        patterns = [f"(?={pattern})" for pattern in (self.pattern, other.pattern) if pattern is not None]
        return Span(low, high, "".join(dict.fromkeys(patterns)) or None) if low < high else None


PRESENCE = Span.prefix("|")  # any value


def condition(name: str, spans: Iterable[Span]) -> Condition:
    """Return the MongoDB condition that an array `ix` satisfies when an entry of `name` lies in one of `spans`."""
    spans = list(dict.fromkeys(spans))
    equal = [name + span.low for span in spans if span.high is None]
    found: list[Condition] = [_range(name, span) for span in spans if span.high is not None]
    if equal:
        found.insert(0, {"ix": equal[0]} if len(equal) == 1 else {"ix": {"$in": equal}})
    return found[0] if len(found) == 1 else {"$or": found}


def _range(name: str, span: Span) -> Condition:
    bounds: Condition = {"$gte": name + span.low, "$lt": name + (span.high or "")}
    if span.pattern is not None:
        bounds["$regex"] = f"^{re.escape(name)}(?:{span.pattern})"
    return {"ix": {"$elemMatch": bounds}}


def joined(parts: Sequence[Span]) -> Span:
    """Return the span of composite rests whose parts lie, in order, in the spans given."""
    exact = list(takewhile(lambda part: part.exact, parts))
    if len(exact) == len(parts):
        return Span("\n".join(part.low for part in parts))
    start = "".join(part.low + "\n" for part in exact)
    first, *others = parts[len(exact) :]
    high = start + (first.high or "")
    if others:
        pattern: str | None = re.escape(start) + "\n".join(_regex(part) for part in (first, *others)) + "(?![^\n])"
    else:
        pattern = None if first.pattern is None else f"{re.escape(start)}(?:{first.pattern})"
    return Span(start + first.low, high, pattern)


def _regex(span: Span) -> str:
    """Return a regular expression for one part of a composite rest: what lies in `span`, up to the newline."""
    if span.high is None:
        return re.escape(span.low)
    if span.high == successor(span.low):
        limits = f"(?={re.escape(span.low)})"
    else:
        limits = f"(?={_not_less(span.low)})(?={_less(span.high)})"
    own = "" if span.pattern is None else f"(?={span.pattern})"
    return f"{limits}{own}[^\n]*"


def _not_less(bound: str) -> str:
    r"""Return a pattern for the beginning of a line that is `bound` or greater, in code point order."""
    greater = [f"{re.escape(bound[:i])}[^\\x00-{_in_class(bound[i])}]" for i in range(len(bound))]
    return "(?:" + "|".join([*greater, re.escape(bound)]) + ")"


def _less(bound: str) -> str:
    """Return a pattern for the beginning of a line that is less than `bound`, in code point order."""
    smaller = [f"{re.escape(bound[:i])}(?:(?![^\n])|[^\n{_in_class(bound[i])}-{HIGHEST}])" for i in range(len(bound))]
    return "(?:" + "|".join(smaller) + ")"


def _in_class(character: str) -> str:
    return "\\" + character if character in "\\]^-[" else character


def field_below(bound: str) -> str:
    """Return a pattern that consumes a whole encoded field which sorts below `bound` ("2024030117")."""
    smaller = []
    for position, character in enumerate(bound):
        head = bound[:position]
        smaller.append(f"{head}(?!{_FIELD})")
        if lower := _lower(character):
            smaller.append(f"{head}{lower}{_FIELD}*")
    return "(?:" + "|".join(smaller) + ")" if smaller else "(?!)"


def field_at_most(bound: str) -> str:
    """Return a pattern that consumes a whole encoded field which is `bound` or sorts below it."""
    return f"(?:{field_below(bound)}|{bound}(?!{_FIELD}))"


def field_above(bound: str) -> str:
    """Return a pattern that consumes a whole encoded field which sorts above `bound`."""
    return f"(?!{field_at_most(bound)}){_FIELD}*"


def _lower(character: str) -> str:
    ordered = "0123456789Z~"
    below = ordered[: ordered.index(character)]
    return f"[{below}]" if below else ""
