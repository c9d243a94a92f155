"""By what rules resources are indexed: one text for each parameter of a type, equal when the entries would be.

https://hl7.org/fhir/R4/searchparameter.html

    vaccine-code 6f1c0e5d2a

The store remembers the rules by which every resource of a type is indexed. Where they differ from those that follow
from the definitions in force — another expression, another zone, another way of writing entries — a parameter cannot be
searched until its entries are made anew.
"""

from functools import cache
from hashlib import blake2b
from importlib.resources import files
from zoneinfo import ZoneInfo

import orjson

from fhir_server.definitions import Definitions
from fhir_server.definitions.model import SearchParameter
from fhir_server.search.parameters import BUILT_IN, names

# The way in which the values of a parameter type become entries. Who changes it counts up, else what is stored and
# what is looked for differ: tests/search/test_rules.py holds a digest of what the examples of R4 are indexed under.
FORMATS = {
    "composite": 1,
    "date": 1,
    "number": 1,
    "quantity": 1,
    "reference": 1,
    "special": 1,
    "string": 1,
    "token": 1,
    "uri": 1,
}
_SYSTEMS = frozenset({"composite", "quantity", "reference", "token", "uri"})
_UNITS = frozenset({"composite", "quantity"})
_ZONED = frozenset({"composite", "date"})
_BASED = frozenset({"composite", "reference"})


def rules(definitions: Definitions, type: str, base_url: str, zone: ZoneInfo) -> dict[str, str]:
    """Return the rule of each name under which resources of `type` have entries.

    `base_url`: the one configured, "" when there is none.
    """
    parameters = definitions.search_parameters(type)
    named = names(parameters)
    return {
        code: f"{code} {_digest(parameter, base_url, zone.key)}"
        for code, parameter in parameters.items()
        if named[code] == code and parameter.expression and code not in BUILT_IN
    }


def _digest(parameter: SearchParameter, base_url: str, zone: str) -> str:
    kind = parameter.type
    facts: list[object] = [
        [kind, parameter.expression, [list(part) for part in parameter.components], FORMATS.get(kind, 0)],
        zone if kind in _ZONED else "",
        base_url if kind in _BASED else "",
        _table("systems.json") if kind in _SYSTEMS else "",
        _table("ucum.json") if kind in _UNITS else "",
    ]
    if parameter.components:
        facts.append(sorted(FORMATS.items()))
    return _hashed(orjson.dumps(facts))


@cache
def _table(name: str) -> str:
    room = "fhir_server.definitions" if name == "ucum.json" else "fhir_server.search"
    return _hashed((files(room) / "data" / name).read_bytes())


def _hashed(content: bytes) -> str:
    return blake2b(content, digest_size=8).hexdigest()
