"""Primitive values: the JSON type, the regular expression and the limits of each R4 primitive type.

https://hl7.org/fhir/R4/datatypes.html#primitive
"""

import binascii
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, Final, NamedTuple

from fhir_server.validation import narrative
from fhir_server.validation.report import shown

MAX_STRING: Final = 1024 * 1024  # characters: https://hl7.org/fhir/R4/datatypes.html#string
MAX_DIGITS: Final = 64  # characters of a decimal, as many as anybody can mean
MAX_EXPONENT: Final = 308  # what binary floating point of 64 bits can still tell from zero and infinity
INTEGERS: Final = {
    "integer": (-(2**31), 2**31 - 1),
    "unsignedInt": (0, 2**31 - 1),
    "positiveInt": (1, 2**31 - 1),
}
UUID: Final = re.compile(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
# R4 asks for lower case, and has upper case in an example of its own: readers take both (RFC 4122).
EITHER_CASE: Final = re.compile(r"urn:uuid:[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}([|#/?].*)?").fullmatch
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


class Fault(NamedTuple):
    """What is wrong with a value, and what to write instead."""

    code: str
    en: str
    vi: str


Check = Callable[[Any], Fault | None]  # what is wrong with a value


class Primitive(NamedTuple):
    """How the values of a primitive type are checked."""

    fault: Check
    # True of most right texts of up to SHORT characters, and of no wrong one; the others are looked at by `fault`.
    usual: Callable[[str], object] = frozenset[str]().__contains__


SHORT: Final = 1024
_DAY: Final = r"[12][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
_TIME: Final = r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])"
USUAL_TIMES: Final = {"date": _DAY, "dateTime": f"{_DAY}(?:{_TIME})?", "instant": _DAY + _TIME}

# type → how a right value looks, in both languages
FORMS: Final = {
    "id": ("1 to 64 letters, digits, '-' or '.'", "1 đến 64 chữ cái không dấu, chữ số, '-' hoặc '.'"),
    "code": (
        "a code without spaces at its ends or two in a row",
        "mã không có khoảng trắng ở đầu, cuối hoặc liên tiếp",
    ),
    "uri": ("a URI without white space", "URI không chứa khoảng trắng"),
    "url": ("a URL without white space", "URL không chứa khoảng trắng"),
    "canonical": ("a canonical URL without white space", "URL chuẩn (canonical) không chứa khoảng trắng"),
    "oid": ("urn:oid: and an OID, such as urn:oid:1.2.3.4", "urn:oid: kèm OID, ví dụ urn:oid:1.2.3.4"),
    "uuid": (
        "urn:uuid: and a UUID in lower case, such as urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
        "urn:uuid: kèm UUID chữ thường, ví dụ urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
    ),
    "date": ("YYYY, YYYY-MM or YYYY-MM-DD, such as 2026-03-20", "YYYY, YYYY-MM hoặc YYYY-MM-DD, ví dụ 2026-03-20"),
    "dateTime": (
        "a date, or a date with time to the second and time zone, such as 2026-03-20T08:00:00+07:00",
        "ngày, hoặc ngày kèm giờ đến giây và múi giờ, ví dụ 2026-03-20T08:00:00+07:00",
    ),
    "instant": (
        "date, time to the second and time zone, such as 2026-03-20T08:00:00+07:00",
        "ngày, giờ đến giây và múi giờ, ví dụ 2026-03-20T08:00:00+07:00",
    ),
    "time": ("HH:MM:SS, such as 08:00:00", "HH:MM:SS, ví dụ 08:00:00"),
    "base64Binary": ("base64 (A–Z a–z 0–9 + / and = at the end)", "base64 (A–Z a–z 0–9 + / và = ở cuối)"),
}


def compile(name: str, pattern: str | None) -> Primitive:
    """Return the check of primitive type `name`, whose regular expression in the definitions is `pattern`."""
    if name == "boolean":
        return Primitive(boolean)
    if name in INTEGERS:
        return Primitive(integer(name))
    if name == "decimal":
        return Primitive(decimal)
    if name == "xhtml":
        return Primitive(xhtml)
    if name == "base64Binary":
        return Primitive(base64_binary)
    if name in USUAL_TIMES:
        return Primitive(calendar(name, pattern or ".*"), re.compile(USUAL_TIMES[name]).fullmatch)
    if name in ("string", "markdown"):
        return Primitive(string, str.isprintable)
    if name in ("uri", "url", "canonical"):
        return Primitive(uri(name), re.compile("(?!urn:uuid:)[!-~]+").fullmatch)
    matches = re.compile(pattern or ".*").fullmatch
    return Primitive(formatted(name, matches), matches)


def kind(value: Any) -> tuple[str, str]:
    """Name the JSON type of `value` in both languages."""
    match value:
        case None:
            return "null", "null"
        case bool():
            return "true or false", "true hoặc false"
        case int() | float() | Decimal():
            return "a number", "số"
        case str():
            return "a string", "chuỗi"
        case list():
            return "an array", "mảng"
        case _:
            return "an object", "đối tượng"


def wrong_kind(value: Any, en: str, vi: str) -> Fault:
    """Say that `value` has another JSON type than the one wanted."""
    found_en, found_vi = kind(value)
    return Fault("structure", f"This is {found_en}: write {en}", f"Đây là {found_vi}: hãy ghi {vi}")


def text_fault(value: Any) -> Fault | None:
    """Return what is wrong with a value that must be a JSON string, whatever its type says of its form."""
    if type(value) is not str:
        return wrong_kind(value, "a string in quotation marks", "chuỗi trong dấu ngoặc kép")
    if not value:
        return Fault(
            "structure",
            "This string is empty: leave the property out, or give it a value",
            "Chuỗi này rỗng: hãy bỏ thuộc tính hoặc ghi giá trị",
        )
    return None


def string(value: Any) -> Fault | None:
    """`string` and `markdown`: text without control characters, at most 1 MB."""
    if type(value) is str and 0 < len(value) <= MAX_STRING and value.isprintable():
        return None
    if fault := text_fault(value):
        return fault
    if len(value) > MAX_STRING:
        return Fault(
            "too-long",
            f"This text has {len(value):,} characters, at most {MAX_STRING:,} are allowed: shorten it, "
            "or send it as an Attachment",
            f"Văn bản này có {len(value):,} ký tự, tối đa {MAX_STRING:,}: hãy rút ngắn hoặc gửi dưới dạng Attachment",
        )
    if found := CONTROL.search(value):
        return Fault(
            "value",
            f"The text holds the control character U+{ord(found.group()):04X} at position {found.start()}: remove it "
            "(only tab, line feed and carriage return are allowed)",
            f"Văn bản chứa ký tự điều khiển U+{ord(found.group()):04X} ở vị trí {found.start()}: hãy xóa ký tự này "
            "(chỉ cho phép tab và xuống dòng)",
        )
    return None


def malformed(name: str, value: str) -> Fault:
    """Say how a value of type `name` must look."""
    en, vi = FORMS[name]
    return Fault(
        "value",
        f"'{shown(value)}' is not a {name}: write {en}",
        f"'{shown(value)}' không đúng kiểu {name}: hãy ghi {vi}",
    )


def formatted(name: str, matches: Callable[[str], object]) -> Check:
    """A string that the regular expression of its type matches as a whole."""

    def check(value: Any) -> Fault | None:
        if type(value) is str and matches(value):
            return None
        return text_fault(value) or malformed(name, value)

    return check


def uri(name: str) -> Check:
    """`uri`, `url` and `canonical`: R4's `\\S*`, which is asked here in a quicker way; a UUID is a whole one.

    A version or a fragment may follow it.
    """

    def check(value: Any) -> Fault | None:
        if type(value) is str and value and " " not in value and value.isprintable():
            return malformed("uuid", value) if value[:9] == "urn:uuid:" and not EITHER_CASE(value) else None
        return text_fault(value) or malformed(name, value)

    return check


def calendar(name: str, pattern: str) -> Check:
    """`date`, `dateTime` and `instant`: the regular expression, and a day that the calendar has."""
    matches = re.compile(pattern).fullmatch

    def check(value: Any) -> Fault | None:
        if type(value) is str and matches(value):
            return None if value[8:10] <= "28" or _in_calendar(value[:10]) else no_such_day(value)
        return text_fault(value) or malformed(name, value)

    return check


def _in_calendar(day: str) -> bool:
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


def no_such_day(value: str) -> Fault:
    """Say that the calendar has no such day."""
    return Fault(
        "value",
        f"The calendar has no day {value[:10]}: correct the day or the month",
        f"Lịch không có ngày {value[:10]}: hãy sửa lại ngày hoặc tháng",
    )


def boolean(value: Any) -> Fault | None:
    """`true` or `false`."""
    if value is True or value is False:
        return None
    return wrong_kind(value, "true or false, without quotation marks", "true hoặc false, không có dấu ngoặc kép")


def integer(name: str) -> Check:
    """`integer`, `unsignedInt`, `positiveInt`: 32 bits, no fraction."""
    least, most = INTEGERS[name]

    def check(value: Any) -> Fault | None:
        if type(value) is int and least <= value <= most:
            return None
        if type(value) is bool or not isinstance(value, int | float | Decimal):
            return wrong_kind(value, "a whole number without quotation marks", "số nguyên không có dấu ngoặc kép")
        if not isinstance(value, int):
            return Fault(
                "value",
                f"{shown(value)} is not a whole number of type {name}: write it without fraction and exponent",
                f"{shown(value)} không phải số nguyên kiểu {name}: hãy ghi không có phần thập phân và số mũ",
            )
        return Fault(
            "value",
            f"{shown(value)} is out of range: a {name} lies between {least} and {most}",
            f"{shown(value)} nằm ngoài phạm vi: {name} phải từ {least} đến {most}",
        )

    return check


def decimal(value: Any) -> Fault | None:
    """`decimal`: a JSON number that can be kept and compared exactly."""
    if type(value) is int:
        return None
    if type(value) is bool or not isinstance(value, Decimal | float):
        return wrong_kind(value, "a number without quotation marks", "số không có dấu ngoặc kép")
    number = Decimal(value) if isinstance(value, float) else value
    if not number.is_finite() or abs(number.adjusted()) > MAX_EXPONENT or len(str(value)) > MAX_DIGITS:
        return Fault(
            "value",
            f"{shown(value)} has too many digits: at most {MAX_DIGITS} characters and exponents to {MAX_EXPONENT}",
            f"{shown(value)} có quá nhiều chữ số: tối đa {MAX_DIGITS} ký tự và số mũ đến {MAX_EXPONENT}",
        )
    return None


def base64_binary(value: Any) -> Fault | None:
    """`base64Binary`; white space is allowed within it."""
    # The regular expression of the definitions backtracks without bound, therefore the decoder is asked.
    if fault := text_fault(value):
        return fault
    try:
        binascii.a2b_base64("".join(value.split()), strict_mode=True)
    except ValueError:  # binascii.Error, and text that is not ASCII
        return malformed("base64Binary", value)
    return None


def xhtml(value: Any) -> Fault | None:
    """`xhtml`: a narrative's div."""
    fault = text_fault(value)
    if fault is None and (text := narrative.fault(value)) is not None:
        return Fault("value", *text)
    return fault
