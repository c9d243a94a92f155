"""What a differential may not say: each fault a sentence with its remedy, and the issue that names the element.

https://hl7.org/fhir/R4/profiling.html#limitations
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from fhir_server.outcome import Issue, Unprocessable

Json = dict[str, Any]


class Fault(NamedTuple):
    """What a differential may not say."""

    key: str
    en: str
    vi: str


def several_types(name: str, count: int) -> Fault:
    """Return the fault of going into an element that does not have one type."""
    return Fault(
        "type",
        f"{name} has {count or 'no'} types here, so that what is in it is not known: name one type first",
        f"{name} ở đây có {count} kiểu nên không biết nội dung: trước hết hãy ghi một kiểu",
    )


def circle(urls: Iterable[str]) -> Fault:
    """Return the fault of definitions that are made from each other."""
    chain = " → ".join(urls)
    return Fault(
        "base",
        f"Definitions are made from each other in a circle, or in too long a row: {chain}",
        f"Các định nghĩa dẫn xuất vòng tròn hoặc qua quá nhiều bậc: {chain}",
    )


def no_differential() -> Fault:
    """Return the fault of a definition of which no snapshot can be made."""
    return Fault(
        "differential",
        "A snapshot is made of a profile (derivation: constraint) that has a differential: send one",
        "Chỉ tạo snapshot cho hồ sơ (derivation: constraint) có differential: hãy gửi hồ sơ như vậy",
    )


def another_type(told: str, base: str) -> Fault:
    """Return the fault of a differential that speaks of something else than its base."""
    return Fault(
        "path",
        f"The differential speaks of {told[:64]}, its base is {base}: correct the paths or the base",
        f"Differential nói về {told[:64]} nhưng định nghĩa gốc là {base}: hãy sửa đường dẫn hoặc định nghĩa gốc",
    )


def less_than_base(least: int, base: int) -> Fault:
    """Return the fault of a minimum below that of the base."""
    return Fault(
        "min",
        f"min {least} is less than the {base} of the base, and a profile cannot make optional what is mandatory: give "
        f"{base} or more, or leave min out",
        f"min {least} nhỏ hơn {base} của định nghĩa gốc, hồ sơ không được nới phần bắt buộc: hãy ghi từ {base} trở lên "
        "hoặc bỏ min",
    )


def more_than_base(most: str, base: str) -> Fault:
    """Return the fault of a maximum above that of the base."""
    return Fault(
        "max",
        f"max {most} is more than the {base} of the base: give {base} or less, or leave max out",
        f"max {most} lớn hơn {base} của định nghĩa gốc: hãy ghi không quá {base} hoặc bỏ max",
    )


def least_above_most(least: int, most: str) -> Fault:
    """Return the fault of limits that nothing keeps."""
    return Fault(
        "min",
        f"min {least} is more than max {most}: correct one of the two",
        f"min {least} lớn hơn max {most}: hãy sửa một trong hai",
    )


def loosened(strength: str) -> Fault:
    """Return the fault of a binding that is weaker than that of the base."""
    return Fault(
        "binding",
        f"The binding of the base is required, this one is {strength}, and no profile can loosen it: make it required",
        f"Ràng buộc mã của định nghĩa gốc là required, ở đây là {strength}, hồ sơ không được nới: hãy ghi required",
    )


def strange_type(own: str, allowed: Iterable[str]) -> Fault:
    """Return the fault of a type that the base does not have."""
    names = ", ".join(sorted(allowed)[:8])
    return Fault(
        "type",
        f"The base does not allow the type {own[:64]} here: choose from {names}",
        f"Định nghĩa gốc không cho phép kiểu {own[:64]} ở đây: hãy chọn trong {names}",
    )


@contextmanager
def reading(definition: Json) -> Iterator[None]:
    """Refuse a definition that is no StructureDefinition, whatever is wrong with it."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise refused(definition, _unreadable(error)) from error


def _unreadable(error: Exception) -> Fault:
    return Fault(
        "read",
        f"The definition cannot be read ({error!r}): validate it ($validate) and correct it",
        f"Không đọc được định nghĩa ({error!r}): hãy kiểm tra ($validate) và sửa",
    )


def no_element(name: str, known: Iterable[str]) -> Fault:
    """Return the fault of a path that leads nowhere."""
    names = ", ".join(list(known)[:40])
    return Fault(
        "path",
        f"The base has no element {name[:64]} here: correct the path; there are {names}",
        f"Định nghĩa gốc không có phần tử {name[:64]} ở đây: hãy sửa đường dẫn; có các phần tử {names}",
    )


def unknown(what_en: str, what_vi: str, url: Any) -> Fault:
    """Return the fault of needing a definition that is not here."""
    return Fault(
        "unknown",
        f"The {what_en} {str(url)[:200]} is not known here: load the package that has it, or correct the URL",
        f"Chưa có {what_vi} {str(url)[:200]} ở đây: hãy nạp gói có định nghĩa đó hoặc sửa URL",
    )


def issue(definition: Json, fault: Fault, row: int | None = None) -> Issue:
    """Return the fault as an issue that names the element in that row of the differential."""
    url = str(definition.get("url", ""))
    label, place = url, "StructureDefinition"
    if row is not None:
        element = definition["differential"]["element"][row]
        label = str(element.get("id") or element["path"])
        place = f"StructureDefinition.differential.element[{row}]"
    return Issue(
        "error", "processing", f"{label}: {fault.en}", f"{label}: {fault.vi}", place, f"snapshot-{fault.key}", url
    )


def refused(definition: Json, fault: Fault) -> Unprocessable:
    """Return the refusal of a definition as a whole."""
    return Unprocessable(fault.en, fault.vi, issues=[issue(definition, fault)])
