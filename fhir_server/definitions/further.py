"""What R4 says that not every resource needs: its profiles and extensions, more value sets, the codes of its systems.

https://hl7.org/fhir/R4/extensibility-registry.html · https://hl7.org/fhir/R4/terminologies-systems.html

Read once, when first needed: the file takes a twentieth of a second.
"""

import gzip
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

Json = dict[str, Any]
Codes = dict[str, frozenset[str]]


@cache
def _facts() -> Json:
    data = (files("fhir_server.definitions") / "data" / "r4-profiles.json.gz").read_bytes()
    facts: Json = orjson.loads(gzip.decompress(data))
    return facts


def profile(url: str) -> Json | None:
    """Return R4's own profile or extension with canonical `url`: what validation needs of it."""
    found: Json | None = _facts()["profiles"].get(url)
    return found


@cache
def system(url: str) -> frozenset[str] | None:
    """Return all codes of a code system that R4 publishes completely; None when it does not."""
    found = _facts()["codes"].get(url)
    return None if found is None else frozenset(found)


@cache
def codes(value_set: str) -> Codes | None:
    """Return the codes of one of R4's value sets by system; None when it is not one or cannot be enumerated."""
    listed = _facts()["valueSets"].get(value_set)
    if listed is None:
        return None
    return {
        url: (system(url) or frozenset()) if members is None else frozenset(members) for url, members in listed.items()
    }


def has_value_set(url: str) -> bool:
    """Return whether R4 publishes the value set."""
    return url in _facts()["valueSets"]
