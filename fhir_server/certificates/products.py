"""From the vaccine code of a dose to the product codes of a certificate.

https://github.com/ehn-dcc-development/eu-dcc-valuesets — Annex A says which codes belong together
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from signing import values
from terminology.vaccines import CVX, PRODUCT, Vaccine, by_coding

# CVX codes that stand for no product of the table, although the table names them as second best:
# 213 unspecified, 500 product unknown (https://www2.cdc.gov/vaccines/iis/iisstandards/vaccines.asp?rpt=cvx);
# 504 is Sputnik Light, another product than Sputnik V.
_CVX_OF_NO_PRODUCT: Final = frozenset({"213", "500", "504"})

# Doses of the primary series by product, where it is not two (summaries of product characteristics; WHO).
_PRIMARY_SERIES: Final = {"EU/1/20/1525": 1, "Sputnik-Light": 1, "Convidecia": 1, "Abdala": 3}


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
    possible: dict[str, Vaccine] | None = None
    for coding in concept.get("coding", ()):
        system, code = coding.get("system"), coding.get("code")
        if system not in (PRODUCT, CVX) or (system == CVX and code in _CVX_OF_NO_PRODUCT):
            continue
        found = {vaccine.id: vaccine for vaccine in by_coding(system, code)}
        if found:
            possible = found if possible is None else {id: vaccine for id, vaccine in possible.items() if id in found}
    return tuple((possible or {}).values())


def product(concept: Mapping[str, Any], target: str) -> Product | None:
    """Return the one product with DCC codes for `target` that a vaccineCode means; None when none or several."""
    coded = {vaccine.dcc for vaccine in vaccines(concept)}
    if len(coded) != 1 or (dcc := coded.pop()) is None or dcc.tg != target:
        return None
    rule = values.product(dcc.mp)
    if rule is None or not (values.active("mp", dcc.mp) and values.active("ma", rule.ma)):
        return None
    vp = next((code for code in (dcc.vp, *rule.vp) if code in rule.vp and values.active("vp", code)), None)
    return Product(dcc.tg, vp, dcc.mp, rule.ma, _PRIMARY_SERIES.get(dcc.mp, 2)) if vp else None
