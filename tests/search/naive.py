"""Search as R4 describes it, over resources in a list: every value is walked to, read and compared anew.

Nothing of the server is used. Only what an implementation may choose is chosen as docs/conformance.md says: strings
leave out case and marks, names are found by every word, values in units of UCUM are compared in grams.

https://hl7.org/fhir/R4/search.html
"""

import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from tests.search.wanted import Back, Circle, Forth, Has, Joined, Measured, OfType, Ordered, Pair, Token, Wanted

Json = dict[str, Any]

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)  # what dates with `ap` are near to
HERE = timezone(timedelta(hours=7))
GENDERS = "http://hl7.org/fhir/administrative-gender"
STATUSES = "http://hl7.org/fhir/event-status"
UCUM = "http://unitsofmeasure.org"
GRAMS = {"kg": Decimal(1000), "g": Decimal(1), "mg": Decimal("0.001")}


# type → parameter → (kind, paths)
PARAMETERS: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "Organization": {"name": ("string", ("name",)), "partof": ("reference", ("partOf",))},
    "Patient": {
        "name": ("name", ("name",)),
        "family": ("word", ("name.family",)),
        "given": ("word", ("name.given",)),
        "gender": (GENDERS, ("gender",)),
        "active": ("boolean", ("active",)),
        "birthdate": ("date", ("birthDate",)),
        "identifier": ("identifier", ("identifier",)),
        "organization": ("reference", ("managingOrganization",)),
        "general-practitioner": ("reference", ("generalPractitioner",)),
        "_tag": ("coding", ("meta.tag",)),
        "_source": ("uri", ("meta.source",)),
    },
    "Observation": {
        "code": ("concept", ("code",)),
        "subject": ("reference", ("subject",)),
        "date": ("date", ("effectiveDateTime", "effectiveInstant", "effectivePeriod")),
        "value-quantity": ("quantity", ("valueQuantity",)),
        "value-string": ("string", ("valueString",)),
        "code-value-quantity": ("composite", ("",)),
        "component-code-value-quantity": ("composite", ("component",)),
    },
    "RiskAssessment": {
        "subject": ("reference", ("subject",)),
        "probability": ("number", ("prediction.probabilityDecimal", "prediction.probabilityRange")),
    },
    "Immunization": {
        "patient": ("reference", ("patient",)),
        "date": ("date", ("occurrenceDateTime",)),
        "vaccine-code": ("concept", ("vaccineCode",)),
        "status": (STATUSES, ("status",)),
        "lot-number": ("string", ("lotNumber",)),
        "reaction-date": ("date", ("reaction.date",)),
    },
    "Location": {"near": ("position", ("position",)), "name": ("string", ("name", "alias"))},
}


def walk(value: Any, path: str) -> Iterator[Any]:
    """Yield what `path` leads to, whatever lists lie on the way."""
    if isinstance(value, list):
        for item in value:
            yield from walk(item, path)
    elif not path:
        yield value
    elif isinstance(value, dict):
        head, _, rest = path.partition(".")
        if head in value:
            yield from walk(value[head], rest)


def values(resource: Json, code: str) -> tuple[str, list[Any]]:
    """Return the kind of a parameter and the values that a resource has of it."""
    kind, paths = PARAMETERS[resource["resourceType"]][code]
    return kind, [value for path in paths for value in walk(resource, path)]


class Naive:
    """All resources there are."""

    def __init__(self, resources: list[Json]):
        self.resources = resources
        self.place = {(each["resourceType"], each["id"]): number for number, each in enumerate(resources)}

    def search(self, type: str, wanted: list[Wanted], sort: list[tuple[str, bool]]) -> list[str]:
        """Return the ids of what satisfies all of `wanted`, sorted by `sort` and then from the newest."""
        found = [each for each in self.resources if each["resourceType"] == type]
        found = [each for each in found if all(self.holds(each, one) for one in wanted)]
        found.sort(key=lambda each: -self.place[type, each["id"]])
        for code, descending in reversed(sort):
            keyed = [(self.key(each, code, descending), each) for each in found]
            there = [pair for pair in keyed if pair[0] is not None]
            there.sort(key=lambda pair: pair[0], reverse=descending)  # stable, also in reverse
            found = [each for _, each in there] + [each for key, each in keyed if key is None]
        return [each["id"] for each in found]

    def holds(self, resource: Json, wanted: Wanted) -> bool:
        match wanted:
            case Forth(code, type, inner):
                return any(
                    self.holds(target, inner)
                    for target in self.targets(resource, code)
                    if type in {None, target["resourceType"]} and self.knows(target["resourceType"], inner)
                )
            case Back(type, code, inner):
                sources = (each for each in self.resources if each["resourceType"] == type)
                return any(resource in self.targets(each, code) and self.holds(each, inner) for each in sources)
            case Joined("not", (part,)):
                return not self.holds(resource, part)
            case Joined(operator, parts):
                return (all if operator == "and" else any)(self.holds(resource, part) for part in parts)
            case Has("_id", modifier, ids):
                return (resource["id"] in ids) is (modifier != "not")
            case Has(code, modifier, wanted_values):
                kind, own = values(resource, code)
                if modifier == "missing":
                    present = bool(own) if kind != "composite" else True
                    return any(present is not missing for missing in wanted_values)
                found = any(_matches(kind, modifier, value, each) for value in own for each in wanted_values)
                return found is (modifier != "not")

    @staticmethod
    def knows(type: str, inner: Wanted) -> bool:
        """Return whether `inner` can be asked of `type` at all."""
        return isinstance(inner, Back | Joined) or inner.code == "_id" or inner.code in PARAMETERS[type]

    def targets(self, resource: Json, code: str) -> list[Json]:
        references = (value.get("reference", "") for value in values(resource, code)[1])
        named = (tuple(reference.split("/")) for reference in references if reference.count("/") == 1)
        return [self.resources[self.place[key]] for key in named if key in self.place]

    def key(self, resource: Json, code: str, descending: bool) -> Any:
        """Return the first (descending: the last) of a resource's values in their order; None without one."""
        if code == "_id":
            return resource["id"]
        if code == "_lastUpdated":
            return self.place[resource["resourceType"], resource["id"]]
        kind, own = values(resource, code)
        keys = [key for value in own for key in _keys(kind, value)]
        return None if not keys else max(keys) if descending else min(keys)


def _keys(kind: str, value: Any) -> list[Any]:
    match kind:
        case "string" | "word":
            return [(folded(value), "" if value == folded(value) else value)]
        case "name":
            return [folded(value.get("text") or _composed(value))]
        case "date":
            return [_interval_of(value)]
        case "number":
            low, high = _limits(value)
            return [(low, isinstance(value, dict), high)]
        case "boolean":
            return [value]
        case _:
            assert kind in {GENDERS, STATUSES}, kind
            return [value]


def _matches(kind: str, modifier: str | None, value: Any, wanted: Any) -> bool:
    if modifier == "identifier":
        return _token([_part(value["identifier"], "value")] if "identifier" in value else [], wanted)
    matches = MATCHES.get(kind) or _coded(kind)
    return matches(value, modifier, wanted)


def _token(stored: list[tuple[str, str]], wanted: Token) -> bool:
    system, code = wanted
    return any(
        (system is None or system == own_system) and (code is None or code.lower() == own.lower())
        for own_system, own in stored
    )


def _part(value: Json, name: str = "code") -> tuple[str, str]:
    return value.get("system", ""), value.get(name, "")


def _coded(system: str) -> Callable[[str, str | None, Any], bool]:
    """Return how an element of type code matches: its system is implied, and there is none in the resource."""
    return lambda value, modifier, wanted: _token([(system, value), ("", value)], wanted)


def _concept(value: Json, modifier: str | None, wanted: Any) -> bool:
    if modifier == "text":
        texts = [value["text"]] if "text" in value else [each.get("display", "") for each in value.get("coding", ())]
        return any(folded(text).startswith(folded(wanted)) for text in texts)
    return _token([_part(each) for each in value.get("coding", ())], wanted)


def _identifier(value: Json, modifier: str | None, wanted: Any) -> bool:
    if isinstance(wanted, OfType):
        kinds = [_part(each) for each in value.get("type", {}).get("coding", ())]
        return (wanted.system, wanted.code) in kinds and wanted.value.lower() == value.get("value", "").lower()
    return _token([_part(value, "value")], wanted)


def folded(text: str) -> str:
    """Return `text` without case, marks and superfluous space."""
    bare = "".join(each for each in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(each))
    return " ".join(bare.replace("đ", "d").split())


def _string(value: str, modifier: str | None, wanted: str) -> bool:
    if modifier == "exact":
        return value == wanted
    return folded(wanted) in folded(value) if modifier == "contains" else folded(value).startswith(folded(wanted))


def _word(value: str, modifier: str | None, wanted: str) -> bool:
    words = folded(value).split()
    return _string(value, modifier, wanted) or (
        modifier is None and any(" ".join(words[n:]).startswith(folded(wanted)) for n in range(len(words)))
    )


def _composed(value: Json) -> str:
    return " ".join([value.get("family", ""), *value.get("given", ())]).strip()


def _name(value: Json, modifier: str | None, wanted: str) -> bool:
    parts = [value[part] for part in ("text", "family") if part in value] + value.get("given", [])
    whole = [] if "text" in value or modifier == "exact" else [_composed(value)]
    return any(_word(part, modifier, wanted) for part in parts + whole)


def _interval_of(value: Any) -> tuple[datetime, datetime]:
    if isinstance(value, str):
        return interval(value)
    start = interval(value["start"])[0] if "start" in value else FIRST
    return start, interval(value["end"])[1] if "end" in value else LAST


def interval(text: str) -> tuple[datetime, datetime]:
    """Return the first moment of a date or time, and the first one after it."""
    if len(text) <= 10:
        year, month, day = (int(part) for part in (text + "-01-01").split("-")[:3])
        start = datetime(year, month, day, tzinfo=HERE)
        if len(text) == 10:
            return start, start + timedelta(days=1)
        after = (year, month + 1) if len(text) == 7 and month < 12 else (year + 1, 1)
        return start, datetime(*after, 1, tzinfo=HERE)
    moment = datetime.fromisoformat(text)
    clock = text[11:].partition("+")[0].partition("Z")[0]
    length = timedelta(minutes=1) if len(clock) == 5 else timedelta(seconds=1)
    length = timedelta(milliseconds=1) if "." in clock else length
    moment = moment if moment.tzinfo else moment.replace(tzinfo=HERE)
    return moment, moment + length


def _date(value: Any, modifier: str | None, wanted: Ordered) -> bool:
    prefix, text = wanted
    (first, last), (start, end) = _interval_of(value), interval(text)
    contained = start <= first and last <= end
    match prefix:
        case "" | "eq":
            return contained
        case "ne":
            return not contained
        case "gt":
            return last > end
        case "lt":
            return first < start
        case "ge":
            return last > end or contained
        case "le":
            return first < start or contained
        case "sa":
            return first >= end
        case "eb":
            return last <= start
        case _:
            margin = abs(NOW - start) / 10
            return first < end + margin and last > start - margin


def _limits(value: Any) -> tuple[Decimal, Decimal]:
    if not isinstance(value, dict):
        return Decimal(value), Decimal(value)
    low, high = value.get("low", {}).get("value", "-Infinity"), value.get("high", {}).get("value", "Infinity")
    return Decimal(low), Decimal(high)


def _compared(low: Decimal, high: Decimal, prefix: str, text: str, factor: Decimal = Decimal(1)) -> bool:
    """Compare the closed interval from `low` to `high` with a number as precise as it is written, times `factor`."""
    number = Decimal(text)
    half = Decimal(5).scaleb(int(number.as_tuple().exponent) - 1)
    half = max(half, abs(number) / 10) if prefix == "ap" else half
    below, value, above = ((number + margin) * factor for margin in (-half, 0, half))
    contained = below <= low and high < above
    match prefix:
        case "" | "eq":
            return contained
        case "ne":
            return not contained
        case "gt":
            return high > value
        case "lt":
            return low < value
        case "ge":
            return high >= value
        case "le":
            return low <= value
        case "sa":
            return low > value
        case "eb":
            return high < value
        case _:
            return low < above and below <= high


def _number(value: Any, modifier: str | None, wanted: Ordered) -> bool:
    return _compared(*_limits(value), *wanted)


def _quantity(value: Json, modifier: str | None, wanted: Measured) -> bool:
    prefix, text, system, code = wanted
    factor = Decimal(1)
    number = Decimal(value["value"])
    if system == UCUM and value.get("system") == UCUM and {code, value.get("code")} <= set(GRAMS):
        number, factor = number * GRAMS[value["code"]], GRAMS[code or ""]
    elif system:
        if (system, code) != _part(value):
            return False
    elif code is not None and code not in {value.get("code"), value.get("unit")}:
        return False
    comparator = value.get("comparator", "")
    low = Decimal("-Infinity") if comparator.startswith("<") else number
    return _compared(low, Decimal("Infinity") if comparator.startswith(">") else number, prefix, text, factor)


def _reference(value: Json, modifier: str | None, wanted: str) -> bool:
    own = value.get("reference", "")
    if "/" in wanted:
        return bool(own == wanted)
    return own.count("/") == 1 and own in {f"{type}/{wanted}" for type in ([modifier] if modifier else PARAMETERS)}


def _composite(value: Json, modifier: str | None, wanted: Pair) -> bool:
    quantity = value.get("valueQuantity")
    return (
        quantity is not None
        and _concept(value["code"], None, wanted.token)
        and _quantity(quantity, None, wanted.quantity)
    )


def _position(value: Json, modifier: str | None, wanted: Circle) -> bool:
    """Compare on the equator, where a degree has 111.195 km."""
    latitude, longitude, kilometres = map(Decimal, wanted)
    far = (value["latitude"] - latitude) ** 2 + (value["longitude"] - longitude) ** 2
    return bool(far * Decimal("111.195") ** 2 <= kilometres**2)


MATCHES: dict[str, Callable[[Any, str | None, Any], bool]] = {
    "string": _string,
    "word": _word,
    "name": _name,
    "boolean": lambda value, modifier, wanted: _token([("", str(value).lower())], wanted),
    "date": _date,
    "identifier": _identifier,
    "concept": _concept,
    "coding": lambda value, modifier, wanted: _token([_part(value)], wanted),
    "reference": _reference,
    "uri": lambda value, modifier, wanted: bool(value == wanted),
    "number": _number,
    "quantity": _quantity,
    "composite": _composite,
    "position": _position,
}
