"""From the vaccine code of a dose to the product codes of a certificate.

https://github.com/ehn-dcc-development/eu-dcc-valuesets — Annex A says which codes belong together
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from signing import values
from terminology.vaccines import CVX, PRODUCT, Vaccine, by_coding

# CVX codes that stand for no product of the table, although the table names them as second best:
# 213 unspecified, 500 product unknown (https://www2.cdc.gov/vaccines/iis/iisstandards/vaccines.asp?rpt=cvx);
# 504 is Sputnik Light, another product than Sputnik V.
_CVX_OF_NO_PRODUCT: Final = frozenset({"213", "500", "504"})

# Doses of the primary series by product, where it is not two (summaries of product characteristics; WHO).
_PRIMARY_SERIES: Final = {"EU/1/20/1525": 1, "Sputnik-Light": 1, "Convidecia": 1, "Abdala": 3}


_Coding = tuple[str, str]  # system and code


class Product(NamedTuple):
    """A vaccine as the DCC encodes it; `primary` is how many doses its primary series takes."""

    tg: str
    vp: str
    mp: str
    ma: str
    primary: int


def vaccines(concept: Mapping[str, Any]) -> tuple[Vaccine, ...]:
    """Return what the codings of a vaccineCode can mean together: several for a group, none when unknown.

    Codings that contradict each other mean nothing. ATC is not asked: it names groups, never a product.
    """
    return _vaccines(_codings(concept))


def product(concept: Mapping[str, Any], target: str) -> Product | None:
    """Return the one product with DCC codes for `target` that a vaccineCode means; None when none or several."""
    return _product(_codings(concept), target)


def _codings(concept: Mapping[str, Any]) -> tuple[_Coding, ...]:
    """Return the codings that can name a product, each once: no others, so that what is remembered stays small."""
    found = ((coding.get("system"), coding.get("code")) for coding in concept.get("coding", ()))
    known = (pair for pair in found if pair[0] in (PRODUCT, CVX) and isinstance(pair[1], str) and by_coding(*pair))
    return tuple(dict.fromkeys(known))


@lru_cache(maxsize=4096)  # a country uses a few dozen
def _vaccines(codings: tuple[_Coding, ...]) -> tuple[Vaccine, ...]:
    possible: dict[str, Vaccine] | None = None
    for system, code in codings:
        if system == CVX and code in _CVX_OF_NO_PRODUCT:
            continue
        found = {vaccine.id: vaccine for vaccine in by_coding(system, code)}
        possible = found if possible is None else {id: vaccine for id, vaccine in possible.items() if id in found}
    return tuple((possible or {}).values())


@lru_cache(maxsize=4096)
def _product(codings: tuple[_Coding, ...], target: str) -> Product | None:
    coded = {vaccine.dcc for vaccine in _vaccines(codings)}
    if len(coded) != 1 or (dcc := coded.pop()) is None or dcc.tg != target:
        return None
    rule = values.product(dcc.mp)
    if rule is None or not (values.active("mp", dcc.mp) and values.active("ma", rule.ma)):
        return None
    vp = next((code for code in (dcc.vp, *rule.vp) if code in rule.vp and values.active("vp", code)), None)
    return Product(dcc.tg, vp, dcc.mp, rule.ma, _PRIMARY_SERIES.get(dcc.mp, 2)) if vp else None
