"""What the DCC schema asks of a certificate's content, checked in microseconds.

https://github.com/ehn-dcc-development/eu-dcc-schema — 1.3.3, which accepts what 1.3.0 accepts
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import Any

Check = Callable[[Any], str | None]  # returns what is wrong with a value, or None

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_GROUPS = ("v", "t", "r")


def problems(payload: Any) -> tuple[str, ...]:
    """Return what the schema finds wrong in `payload`, each as `path: reason`; nothing when it conforms."""
    groups = _schema()
    found = groups["document"]("", payload)
    if type(payload) is not dict:
        return tuple(found)
    if "nam" in payload:
        name = payload["nam"]
        found += groups["nam"]("nam.", name)
        if type(name) is dict and "fnt" not in name and "gnt" not in name:
            found.append("nam: neither fnt nor gnt is there")
    present = [group for group in _GROUPS if group in payload]
    if len(present) != 1:
        found.append(f"there must be exactly one of v, t and r, not {len(present)}")
    for group in present:
        entries = payload[group]
        if type(entries) is not list or len(entries) != 1:
            found.append(f"{group}: there must be a list of exactly one entry")
        for number, entry in enumerate(entries if type(entries) is list else ()):
            found += groups[group](f"{group}[{number}].", entry)
    return tuple(found)


@cache
def _schema() -> dict[str, Callable[[str, Any], list[str]]]:
    table = json.loads((files("signing") / "data" / "dcc_schema.json").read_text("utf-8"))
    return {name: _group(rules["required"], rules["fields"]) for name, rules in table.items() if name != "source"}


def _group(required: list[str], fields: Mapping[str, Mapping[str, Any]]) -> Callable[[str, Any], list[str]]:
    texts = tuple(name for name, rules in fields.items() if rules == {"type": "string"})
    checks = [(name, _field(rules)) for name, rules in fields.items() if name not in texts]
    needed = frozenset(required)

    def check(path: str, entry: Any) -> list[str]:
        if type(entry) is not dict:
            return [f"{path.rstrip('.') or 'the certificate'}: a map belongs here"]
        found = (
            [] if needed <= entry.keys() else [f"{path}{name}: is missing" for name in sorted(needed - entry.keys())]
        )
        for name in texts:
            if type(entry.get(name, "")) is not str:
                found.append(f"{path}{name}: a text belongs here")
        for name, field in checks:
            if name in entry and (problem := field(entry[name])):
                found.append(f"{path}{name}: {problem}")
        return found

    return check


def _field(rules: Mapping[str, Any]) -> Check:
    """Compile the constraints of one field: only those it has cost time."""
    if rules["type"] == "integer":
        return _number(rules["minimum"])
    if "pattern" in rules:
        return _matching(rules["pattern"], rules.get("maxLength", 1 << 30))
    if "maxLength" in rules:
        return _text(rules["maxLength"])
    return _FORMATS[rules["format"]]


def _number(least: int) -> Check:
    def check(value: Any) -> str | None:
        if type(value) is not int and (type(value) is not float or value % 1):
            return "an integer belongs here"
        return None if value >= least else f"is less than {least}"

    return check


def _text(longest: int) -> Check:
    def check(value: Any) -> str | None:
        if type(value) is not str:
            return "a text belongs here"
        return f"is longer than {longest} characters" if len(value) > longest else None

    return check


def _matching(pattern: str, longest: int) -> Check:
    search, fits = re.compile(pattern).search, _text(longest)

    def check(value: Any) -> str | None:
        if type(value) is str and len(value) <= longest and search(value):
            return None
        return fits(value) or f"does not match {pattern}"

    return check


def _is_date(value: Any) -> str | None:
    if type(value) is not str:
        return "a text belongs here"
    try:
        if len(value) == 10 and value[4] == value[7] == "-":  # of the other forms of ISO 8601, none
            date.fromisoformat(value)
            return None
    except ValueError:
        pass
    return "is not a date (YYYY-MM-DD)"


def _is_date_time(value: Any) -> str | None:
    if type(value) is not str:
        return "a text belongs here"
    try:
        if _DATE_TIME.fullmatch(value):
            datetime.fromisoformat(value.upper())
            return None
    except ValueError:
        pass
    return "is not a date and time with a time zone"


_FORMATS: dict[str, Check] = {"date": _is_date, "date-time": _is_date_time}
