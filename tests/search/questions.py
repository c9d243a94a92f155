"""Random searches: criteria of every kind of parameter, with their prefixes and modifiers, chains and sort keys.

https://hl7.org/fhir/R4/search.html
"""

from functools import cache
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.search.naive import GENDERS, STATUSES, UCUM
from tests.search.wanted import Back, Circle, Forth, Has, Joined, Measured, OfType, Ordered, Pair, Token, Wanted, single
from tests.search.worlds import AMOUNTS, CODES, DATES, MOMENTS, NUMBERS, SYSTEMS, TEXTS

Sort = list[tuple[str, bool]]

coded = st.builds(Token, st.sampled_from([None, "", *SYSTEMS]), st.sampled_from(CODES))
tokens = coded | coded | st.builds(Token, st.sampled_from(SYSTEMS), st.none())
prefixes = st.sampled_from(["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"])
WITHOUT_ZONE = ["2024-02-29T10:00", "2024-02-29T10:00:00", "2024-03-01T06:30:00.000"]
WITHOUT_UNIT: list[tuple[str | None, str | None]] = [(None, None)] * 2
UNITS = [(None, "g"), (None, "gram"), (UCUM, "g"), (UCUM, "mg"), (UCUM, "kg"), ("http://x", "g")]
amounts_asked = st.builds(
    lambda prefix, amount, unit: Measured(prefix, amount, *unit),
    prefixes,
    st.sampled_from(AMOUNTS),
    st.sampled_from([*WITHOUT_UNIT, *UNITS]),
)
literals = st.sampled_from(
    ["p0", "p3", "Patient/p1", "Patient/p2", "o1", "Organization/o0", "http://other.example/Patient/p0", "Location/l0"]
)


def plain(code: str, modifiers: list[str | None], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Has]:
    """Return criteria of a parameter with one of the modifiers, and up to three alternatives."""
    alternatives = st.lists(values, min_size=1, max_size=3).map(tuple)
    return st.builds(Has, st.just(code), st.sampled_from(modifiers), alternatives)


def asked(code: str, modifiers: list[str | None], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Has]:
    """Return the same, or whether there is a value."""
    own = plain(code, modifiers, values)
    return (
        own | own | own | own | st.builds(Has, st.just(code), st.just("missing"), st.sampled_from([(True,), (False,)]))
    )


def of_reference(code: str, *types: str) -> st.SearchStrategy[Has]:
    ids = st.sampled_from(["p0", "p1", "o0", "l0"])
    return asked(code, [None], literals) | asked(code, list(types), ids) | asked(code, ["identifier"], coded)


def of_date(code: str) -> st.SearchStrategy[Has]:
    return asked(code, [None], st.builds(Ordered, prefixes, st.sampled_from([*DATES, *MOMENTS, *WITHOUT_ZONE])))


def of_string(code: str) -> st.SearchStrategy[Has]:
    return asked(code, [None, "exact", "contains"], st.sampled_from([*TEXTS, "ng", "n", "a", "ao", "văn"]))


def of_token(code: str, *more: str) -> st.SearchStrategy[Has]:
    return asked(code, [None, None, "not"], tokens) | st.one_of(
        *(asked(code, [each], st.sampled_from(TEXTS)) for each in more)
    )


ids = plain("_id", [None, "not"], st.sampled_from(["p0", "p1", "p2", "o0", "o1", "i0", "i2", "r1", "l1"]))
pairs = st.builds(Pair, coded, amounts_asked)


def of_code(code: str, system: str, *known: str) -> st.SearchStrategy[Has]:
    own = [Token(each, value) for each in (None, "", system, system, "http://x") for value in known]
    return asked(code, [None, "not"], st.sampled_from([*own, Token(system, None)]))


OWN: dict[str, list[st.SearchStrategy[Has]]] = {
    "Organization": [ids, of_string("name"), of_reference("partof", "Organization")],
    "Patient": [
        ids,
        *(of_string(code) for code in ("name", "family", "given")),
        of_code("gender", GENDERS, "male", "female"),
        asked("active", [None, "not"], st.builds(Token, st.none(), st.sampled_from(["true", "false"]))),
        of_date("birthdate"),
        of_token("identifier"),
        asked(
            "identifier",
            ["of-type"],
            st.builds(OfType, st.just("http://x"), st.sampled_from(["MR", "SS"]), st.sampled_from(CODES)),
        ),
        of_reference("organization", "Organization"),
        of_reference("general-practitioner", "Organization"),
        of_token("_tag"),
        asked("_source", [None], st.sampled_from([*SYSTEMS, "http://y"])),
    ],
    "Observation": [
        ids,
        of_token("code", "text"),
        of_date("date"),
        of_string("value-string"),
        of_reference("subject", "Patient", "Location"),
        asked("value-quantity", [None], amounts_asked),
        plain("code-value-quantity", [None], pairs),
        plain("component-code-value-quantity", [None], pairs),
    ],
    "RiskAssessment": [
        ids,
        of_reference("subject", "Patient"),
        asked("probability", [None], st.builds(Ordered, prefixes, st.sampled_from(NUMBERS))),
    ],
    "Immunization": [
        ids,
        of_reference("patient", "Patient"),
        of_date("date"),
        of_date("reaction-date"),
        of_token("vaccine-code", "text"),
        of_code("status", STATUSES, "completed", "not-done"),
        of_string("lot-number"),
    ],
    "Location": [
        ids,
        of_string("name"),
        asked(
            "near",
            [None],
            st.sampled_from(
                [
                    Circle("0", "0", "1"),
                    Circle("0", "0.05", "20"),
                    Circle("0.01", "0.1", "0.5"),
                    Circle("0", "0", "11.15"),
                    Circle("0", "0", "11.2"),
                ]
            ),
        ),
    ],
}
FORTH = {
    "Organization": [("partof", "Organization")],
    "Patient": [("organization", "Organization"), ("general-practitioner", "Organization")],
    "Observation": [("subject", "Patient"), ("subject", "Location")],
    "RiskAssessment": [("subject", "Patient")],
    "Immunization": [("patient", "Patient")],
}
BACK = {
    "Organization": [("Patient", "organization"), ("Organization", "partof")],
    "Patient": [("Immunization", "patient"), ("Observation", "subject"), ("RiskAssessment", "subject")],
    "Location": [("Observation", "subject")],
}
SORTS = {
    "Organization": ["name"],
    "Patient": ["name", "family", "given", "birthdate", "gender", "active"],
    "Observation": ["date", "value-string"],
    "RiskAssessment": ["probability"],
    "Immunization": ["date", "status", "lot-number", "reaction-date"],
    "Location": ["name"],
}


@cache
def criteria(type: str, depth: int = 2) -> st.SearchStrategy[Wanted]:
    """Return criteria of `type`, of itself or along up to `depth` references."""
    own: st.SearchStrategy[Wanted] = st.one_of(*OWN[type])
    if not depth:
        return own
    forth = [
        st.builds(Forth, st.just(code), st.just(target), criteria(target, depth - 1))
        for code, target in FORTH.get(type, ())
    ]
    back = [
        st.builds(Back, st.just(source), st.just(code), criteria(source, depth - 1))
        for source, code in BACK.get(type, ())
    ]
    return st.one_of(own, own, *forth, *back)


def expressions(type: str) -> st.SearchStrategy[Wanted]:
    """Return criteria joined as `_filter` joins them."""
    one: st.SearchStrategy[Wanted] = criteria(type, 1).map(single)
    no = st.builds(Joined, st.just("not"), st.tuples(one))
    parts = st.lists(one | one | no, min_size=2, max_size=3).map(tuple)
    return no | st.builds(Joined, st.sampled_from(["and", "or"]), parts)


class Question(NamedTuple):
    """A search."""

    type: str
    wanted: list[Wanted]
    sort: Sort
    size: int  # of a page


@cache
def questions(type: str) -> st.SearchStrategy[Question]:
    keys = st.lists(
        st.tuples(st.sampled_from([*SORTS[type], "_id", "_lastUpdated"]), st.booleans()),
        max_size=3,
        unique_by=lambda key: key[0],
    )
    one = st.lists(criteria(type), min_size=1, max_size=1)
    twice = (st.lists(each, min_size=2, max_size=2) for each in OWN[type])  # of a parameter: each holds of some value
    joined = st.lists(expressions(type), min_size=1, max_size=1)
    wanted = one | one | joined | st.lists(criteria(type), max_size=3) | st.one_of(*twice)
    return st.builds(Question, st.just(type), wanted, st.just([]) | keys, st.sampled_from([1, 3, 50, 50]))
