"""What a vaccination certificate says, for people to read: Vietnamese and English labels, codes with their meaning.

https://github.com/ehn-dcc-development/eu-dcc-valuesets and Decision 5772/QĐ-BYT (2021), section 1.1: the fields shown
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from signing import values

_LABELS: Final = {  # as the Decision names them; nationality is on it, but not in the signed content
    "name": ("Họ và tên", "Full name"),
    "birth-date": ("Ngày tháng năm sinh", "Date of birth"),
    "disease": ("Bệnh dịch mà chứng nhận nhắm tới", "Disease targeted"),
    "dose-number": ("Số mũi tiêm đã nhận", "Doses received"),
    "date": ("Ngày tiêm", "Date of vaccination"),
    "series-doses": ("Liều số", "Dose number / total of the series"),
    "vaccine": ("Vắc xin", "Vaccine"),
    "product": ("Sản phẩm vắc xin", "Vaccine product"),
    "manufacturer": ("Nhà cung cấp hoặc sản xuất", "Marketing authorisation holder or manufacturer"),
    "lot": ("Số lô", "Lot number"),
    "country": ("Nước tiêm chủng", "Country of vaccination"),
    "issuer": ("Cơ quan cấp chứng nhận", "Certificate issuer"),
    "identifier": ("Mã số của chứng nhận", "Certificate identifier"),
}


class Line(NamedTuple):
    """One fact: a stable key, its label in both languages, what to show, and the code that stands for it."""

    key: str
    vi: str
    en: str
    value: str
    code: str | None = None


def summary(payload: Mapping[str, Any] | None) -> tuple[Line, ...]:
    """Return the lines that `payload` has something for; whatever is missing or malformed is left out, never raised."""
    if not isinstance(payload, Mapping):
        return ()
    if payload.get("resourceType") == "Bundle":
        return tuple(_card(payload))
    if "pid" in payload:
        return tuple(_seal(payload))
    if isinstance(payload.get("v"), Mapping):
        return tuple(_international(payload, payload["v"]))
    return tuple(_lines(payload))


def _card(bundle: Mapping[str, Any]) -> Iterator[Line]:
    """Yield what a SMART Health Card says: the person, then each dose."""
    resources = [_member(entry, "resource") for entry in _list(bundle.get("entry"))]
    for person in (each for each in resources if each.get("resourceType") == "Patient"):
        name = _first(person.get("name"))
        given = name.get("given")
        parts = [name.get("family"), *(given if isinstance(given, list) else [])]
        yield from _shown("name", " ".join(filter(None, map(_text, parts))))
        yield from _shown("birth-date", _text(person.get("birthDate")))
    for dose in (each for each in resources if each.get("resourceType") == "Immunization"):
        yield from _shown("vaccine", _text(_first(_member(dose, "vaccineCode").get("coding")).get("code")))
        yield from _shown("date", _text(dose.get("occurrenceDateTime")))
        yield from _shown("lot", _text(dose.get("lotNumber")))
        yield from _shown("issuer", _text(_member(_first(dose.get("performer")), "actor").get("display")))


def _seal(message: Mapping[str, Any]) -> Iterator[Line]:
    """Yield what a visible digital seal (VDS-NC) says: the person, then each dose."""
    person = _member(message, "pid")
    yield from _shown("name", _text(person.get("n")))
    yield from _shown("birth-date", _text(person.get("dob")))
    for event in _list(message.get("ve")):
        for dose in _list(event.get("vd")):
            yield from _shown("disease", _text(event.get("dis")))
            yield from _shown("vaccine", _text(event.get("nam")) or _text(event.get("des")))
            yield from _shown("date", _text(dose.get("dvc")))
            yield from _shown("dose-number", _text(dose.get("seq")))
            yield from _shown("lot", _text(dose.get("lot")))
            yield from _shown("country", _text(dose.get("ctr")))
    yield from _shown("identifier", _text(message.get("uvci")))


def _international(payload: Mapping[str, Any], dose: Mapping[str, Any]) -> Iterator[Line]:
    """Yield what an International Certificate of Vaccination says."""
    yield from _shown("name", _text(payload.get("n")))
    yield from _shown("birth-date", _text(payload.get("dob")))
    for key, member in (("disease", "tg"), ("vaccine", "vp"), ("date", "dt"), ("dose-number", "dn"), ("lot", "bo")):
        yield from _shown(key, _text(dose.get(member)))
    yield from _shown("issuer", _text(dose.get("is")))


def _shown(key: str, value: str) -> Iterator[Line]:
    if value:
        yield _line(key, value)


def _member(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _first(value: Any) -> Mapping[str, Any]:
    return next(iter(_list(value)), {})


def _lines(payload: Mapping[str, Any]) -> Iterator[Line]:
    if name := _name(payload.get("nam")):
        yield _line("name", name)
    if birth_date := _text(payload.get("dob")):
        yield _line("birth-date", birth_date)
    entries = payload.get("v")
    for entry in entries if isinstance(entries, Sequence) and not isinstance(entries, str) else ():
        if isinstance(entry, Mapping):
            yield from _dose(entry)


def _dose(entry: Mapping[str, Any]) -> Iterator[Line]:
    number, series = _text(entry.get("dn")), _text(entry.get("sd"))
    found = (
        _coded("disease", "tg", entry),
        _plain("dose-number", number),
        _plain("date", _text(entry.get("dt"))),
        _plain("series-doses", f"{number}/{series}" if number and series else ""),
        _coded("vaccine", "vp", entry),
        _coded("product", "mp", entry),
        _coded("manufacturer", "ma", entry),
        _plain("country", _text(entry.get("co"))),
        _plain("issuer", _text(entry.get("is"))),
        _plain("identifier", _text(entry.get("ci"))),
    )
    yield from (line for line in found if line)


def _coded(key: str, field: values.Field, entry: Mapping[str, Any]) -> Line | None:
    code = _text(entry.get(field))
    return _line(key, values.display(field, code) or code, code) if code else None


def _plain(key: str, text: str) -> Line | None:
    return _line(key, text) if text else None


def _line(key: str, value: str, code: str | None = None) -> Line:
    vi, en = _LABELS[key]
    return Line(key, vi, en, value, code)


def _name(name: Any) -> str:
    """Return family name and given names in the Vietnamese order, in passport letters when nothing else is there."""
    if not isinstance(name, Mapping):
        return ""
    written = " ".join(filter(None, (_text(name.get("fn")), _text(name.get("gn")))))
    passport = " ".join(filter(None, (_text(name.get("fnt")), _text(name.get("gnt")))))
    return written or passport.replace("<", " ")


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
