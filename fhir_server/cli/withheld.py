"""Texts of issues without what the record says: a report of many records goes to people who may not read them.

https://hl7.org/fhir/R4/security.html#narrative
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from fhir_server.validation.report import shown

MARK = "…"
MAX_VALUES = 500
SHORT = 3  # characters of a value near by that is more than a word or a number of the text
LONG = 6  # characters of a value, and of a part of it in no quotes, that may tell who it is
# What these hold names a code or a definition, nobody; without it a text says nothing.
HARMLESS = {"resourceType", "system", "code", "url", "profile", "version"}

_STEP = re.compile(r"([A-Za-z]+)(?:\[(\d+)\])?")
_WORD = re.compile(r"[a-z-]+")
_OF_TYPE = re.compile(r"(\w+)\.ofType\((\w+)\)")
# What stands in quotes, or a number or reference that stands in none.
_QUOTED = re.compile(r"'([^']+)'|[^\s'\"(),;]*[\d/][^\s'\"(),;]*")


class Value(NamedTuple):
    """What a record says at the place of an issue, or below it."""

    text: str
    alone: bool  # it is the value that the issue is about


def text(issue: str, values: Iterable[Value]) -> str:
    """Return the text of an issue with `values` blotted out.

    Words of small letters (codes such as "completed") stay where they are only near: they are words of texts too.
    """
    telling = [each for each in values if each.alone or (len(each.text) >= SHORT and not _WORD.fullmatch(each.text))]
    for one in sorted({shown(each.text) for each in telling} - {""}, key=len, reverse=True):
        issue = re.sub(rf"(?<!\w){re.escape(one)}(?!\w)", MARK, issue)
    about = [_printable(each.text) for each in telling if each.alone or len(each.text) >= LONG]
    return _QUOTED.sub(lambda match: _without_part(match, about), issue) if about else issue


def _without_part(match: re.Match[str], about: list[str]) -> str:
    """Return what was quoted, or MARK in its place when it is a part of a value."""
    part = (match[1] or match[0]).removesuffix(MARK).rstrip(".:")
    telling = bool(match[1]) or len(part) >= LONG
    return match[0].replace(part, MARK) if part and telling and any(part in value for value in about) else match[0]


def _printable(value: str) -> str:
    return "".join(character if character.isprintable() else "·" for character in value)


def values(resource: Any, steps: str) -> Iterator[Value]:
    """Yield what `resource` says at `steps` ("identifier[0].value") and below, or where they end before."""
    here, name = resource, ""
    for step in filter(None, _OF_TYPE.sub(_typed, steps).split(".")):
        match = _STEP.fullmatch(step)
        found = _child(here, match[1], match[2]) if match else None
        if found is None:
            break
        here, name = found, step.partition("[")[0]
    if isinstance(here, dict | list):
        yield from _below(here, name)
    elif here is not None:
        yield Value(str(here), alone=True)


def _typed(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2][:1].upper()}{match[2][1:]}"


def _child(value: Any, name: str, index: str | None) -> Any:
    if not isinstance(value, dict):
        return None
    found = value.get(name, value.get(f"_{name}"))
    if index is None or not isinstance(found, list):
        return found
    return found[int(index)] if int(index) < len(found) else None


def _below(value: Any, name: str) -> Iterator[Value]:
    waiting, seen = [(name, value)], 0
    while waiting and seen < MAX_VALUES:
        name, value = waiting.pop()
        seen += 1
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += ((name, each) for each in value)
        elif name not in HARMLESS and value is not None and not isinstance(value, bool):
            yield Value(str(value), alone=False)
