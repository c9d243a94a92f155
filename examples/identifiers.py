"""Invented identifiers that look valid and never repeat: citizen number, insurance number, programme code, telephone.

Citizen number: decree NĐ 137/2015/NĐ-CP, article 13. Systems: https://hl7.org.vn/en/knowledge/vn-core-artifacts/

A citizen number has no check digit, so any twelve well-formed digits may by chance be somebody's.
"""

from datetime import date
from typing import Final

CCCD: Final = "http://fhir.hl7.org.vn/core/sid/cccd"
BHYT: Final = "http://fhir.hl7.org.vn/core/sid/bhyt"
FACILITY: Final = "http://fhir.hl7.org.vn/core/sid/ma-cskcb"
LICENCE: Final = "http://fhir.hl7.org.vn/core/sid/cchn"
PROGRAMME: Final = "https://fhir.tiemchung.vn/sid/ma-tiem-chung"
ADVERSE_EVENT: Final = "https://fhir.tiemchung.vn/sid/ma-su-co"

_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no I, L, O, U: they are misread
# Multiplying by a number that shares no factor with the modulus moves every serial to a place of its own.
_STRIDE: Final = 618_033_989


def cccd(place: str, gender: str, birth: date, serial: int) -> str:
    """Return a citizen number: place of registration, century and sex, year of birth, six digits from `serial`.

    Two people have different numbers as long as their serials differ modulo a million.
    """
    century = (birth.year // 100 - 19) * 2 + (gender == "female")
    return f"{place}{century}{birth.year % 100:02}{serial * _STRIDE % 1_000_000:06}"


def bhyt(serial: int) -> str:
    """Return an insurance number of ten digits, its own for every serial below a thousand million."""
    return f"9{serial * _STRIDE % 1_000_000_000:09}"


def programme(serial: int) -> str:
    """Return a programme code: `TC` and seven letters or digits, its own for every serial below 32⁷."""
    rest = serial * _STRIDE % 32**7
    letters = ""
    for _ in range(7):
        rest, digit = divmod(rest, 32)
        letters += _LETTERS[digit]
    return f"TC{letters}"


def telephone(serial: int) -> str:
    """Return a number that rings nowhere: 04 was Hanoi's area code until 2017 and is no mobile prefix."""
    return f"+84 4{serial * _STRIDE % 100_000_000:08}"
