"""Provinces and wards since 1 July 2025, and the 63 older provinces that citizen numbers still name.

https://hl7.org/fhir/R4/datatypes.html#Address
"""

from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Final

from terminology.tables import Table, read

PROVINCE: Final = "http://fhir.hl7.org.vn/core/CodeSystem/vn-province-cs"
WARD: Final = "http://fhir.hl7.org.vn/core/CodeSystem/vn-ward-cs"
REFORM: Final = date(2025, 7, 1)  # 34 provinces, no districts
_WARDS_RENAMED: Final = date(2026, 4, 30)
_KINDS: Final = ("Thành phố", "Đặc khu", "Phường", "Tỉnh", "Xã")


@dataclass(frozen=True, slots=True)
class Place:
    """A province or ward: its `name` when it was made and the names that replaced it, each from a day on."""

    code: str
    name: str
    en: str
    province: str  # its own code in a province
    renamed: tuple[tuple[date, str], ...] = ()

    def name_on(self, day: date) -> str:
        """Return the full name in force on `day`, such as `Phường Ba Đình`."""
        return next((name for since, name in reversed(self.renamed) if since <= day), self.name)

    def kind_on(self, day: date) -> str:
        """Return `Tỉnh`, `Thành phố`, `Xã`, `Phường` or `Đặc khu`, as in force on `day`."""
        return next(kind for kind in _KINDS if self.name_on(day).startswith(kind))


@dataclass(frozen=True, slots=True)
class LegacyProvince:
    """One of the 63 provinces until 30 June 2025; `successor` is the code of the province it is part of now."""

    code: str
    name: str
    successor: str


def _province(row: dict[str, Any]) -> Place:
    renamed = tuple((date.fromisoformat(change["from"]), change["name"]) for change in row["changes"])
    return Place(row["code"], row["name"], row["en"], row["code"], renamed)


def _ward(code: str, name: str, en: str, province: str, later: str | None = None) -> Place:
    return Place(code, name, en, province, ((_WARDS_RENAMED, later),) if later else ())


def _provinces() -> dict[str, Place]:
    return {row["code"]: _province(row) for row in read("provinces")["rows"]}


def _wards() -> dict[str, Place]:
    return {row[0]: _ward(*row) for row in read("wards")["rows"]}


def _legacy() -> dict[str, LegacyProvince]:
    return {row["code"]: LegacyProvince(**row) for row in read("legacy_provinces")["rows"]}


def _prefixes() -> dict[str, LegacyProvince]:
    return {f"0{code}": province for code, province in LEGACY_PROVINCES.items()}


PROVINCES: Final = Table(_provinces)  # by two-digit code
WARDS: Final = Table(_wards)  # by five-digit code
LEGACY_PROVINCES: Final = Table(_legacy)  # by two-digit code
PLACE_PREFIXES: Final = Table(_prefixes)  # by the first three digits of a citizen number; births abroad are not listed


@cache
def _by_province() -> dict[str, tuple[Place, ...]]:
    wards: dict[str, list[Place]] = {code: [] for code in PROVINCES}
    for ward in WARDS.values():
        wards[ward.province].append(ward)
    return {code: tuple(found) for code, found in wards.items()}


def wards_of(province: str) -> tuple[Place, ...]:
    """Return the wards of a province in the order of their codes; raise KeyError when `province` is no code."""
    return _by_province()[province]
