"""Regular expressions of expressions, found in a time that grows with the text and no faster.

https://hl7.org/fhirpath/N1/#matchesregex--string--boolean

Whoever stores a profile chooses its patterns, and one such as `^(a+)+$` keeps a backtracking reader busy for years.
What may do so is read by RE2; what certainly does not is read by Python, which is several times as fast.
"""

import re
from collections.abc import Callable
from typing import Final

import re2  # type: ignore[import-untyped]

from fhir_server.fhirpath.syntax import Unsupported

MOST_FIXED: Final = 100  # repetitions told by number, in all: each may be read again from each place
_TOKEN: Final = re.compile(
    r"""\\(?:[dswDSW]|[^0-9A-Za-z])        # a class, a character
    | \[\^?(?:\\[^0-9]|[^\]\\\[])+\]       # a set of characters
    | (?P<group>\((?:\?:)?) | (?P<end>\)) | (?P<or>\|)
    | \{(?P<fixed>[0-9]{1,4})\} | (?P<variable>\{[0-9]*,[0-9]*\}|[*+?])
    | [^\\\[\](){}|*+?]""",
    re.VERBOSE | re.DOTALL,
)
_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.dot_nl = True


def finding(pattern: str) -> Callable[[str], object]:
    """Return what finds `pattern` in a text: `.` is anything, `$` the end and not also before a last line feed.

    Raise Unsupported when it is no regular expression.
    """
    if not _steady(pattern):
        found = _linear(pattern)
        return lambda text: found.search(_bytes(text))
    try:
        end = re.sub(r"(\\.|\[(?:\\.|[^\]\\])*\])|\$", lambda part: part.group(1) or r"\Z", pattern)
        return re.compile(end, re.DOTALL).search
    except re.error as error:
        raise _no_pattern(pattern, error) from None


def replacing(pattern: str, text: str) -> Callable[[str], str]:
    """Return what writes `text`, in which `$1` is the first group, wherever `pattern` is found; raise Unsupported."""
    if not pattern:
        return lambda value: value  # nothing is found nowhere, and not everywhere
    found = _linear(pattern)
    parts = re.split(r"\$(\d)", text)  # texts, and between them the numbers of groups
    if any(int(number) > found.groups for number in parts[1::2]):
        raise Unsupported(f"the replacement {text!r}: the regular expression {pattern!r} has {found.groups} groups")
    new = [int(part) if place % 2 else _bytes(part) for place, part in enumerate(parts)]

    def written(match: "re2._Match") -> bytes:
        return b"".join(part if isinstance(part, bytes) else match[part] or b"" for part in new)

    def replaced(value: str) -> str:
        whole: bytes = found.sub(written, _bytes(value))
        return whole.decode("utf-8", "surrogatepass")

    return replaced


def _bytes(text: str) -> bytes:
    """Return `text` for RE2; half a surrogate pair, which an expression may write as \\uD800, is no reason to fail."""
    return text.encode("utf-8", "surrogatepass")


def _linear(pattern: str) -> "re2._Regexp":
    try:
        return re2.compile(_bytes(pattern), _OPTIONS)
    except re2.error as error:
        raise _no_pattern(pattern, error) from None


def _no_pattern(pattern: str, error: Exception) -> Unsupported:
    reason = error.args[0] if error.args else error
    return Unsupported(
        f"the regular expression {pattern!r}: {reason.decode() if isinstance(reason, bytes) else reason}"
    )


def _steady(pattern: str) -> bool:
    """Return whether Python certainly reads `pattern` in linear time: one group that does not repeat, alternatives only
    in it, and nothing of variable length, but for one thing in a pattern that is tried at the beginning only.
    """
    place = groups = fixed = variable = 0
    within = closed = False
    while place < len(pattern):
        token = _TOKEN.match(pattern, place)
        if token is None:
            return False
        place, kind = token.end(), token.lastgroup
        repeats = kind in ("fixed", "variable")
        if (kind == "group" and within) or (kind in ("end", "or") and not within) or (repeats and closed):
            return False
        groups += kind == "group"
        fixed += int(token["fixed"] or 0)
        variable += kind == "variable"
        within, closed = kind == "group" or (within and kind != "end"), kind == "end"
    return groups <= 1 and fixed <= MOST_FIXED and variable <= pattern.startswith("^")
