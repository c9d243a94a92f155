"""JSON Patch: operations read once, applied to a copy, decimals kept digit by digit. Pure.

https://www.rfc-editor.org/rfc/rfc6902 · https://www.rfc-editor.org/rfc/rfc6901 · https://hl7.org/fhir/R4/http.html#patch
"""

import re
from decimal import Decimal
from typing import Any, NamedTuple

from fhir_server import wire
from fhir_server.outcome import BadRequest, Conflict, TooCostly

MAX_OPERATIONS = 1000
MAX_STEPS = 100  # of one pointer
MAX_COPIED = 4 * 1024 * 1024  # bytes that the copies of one patch may add: a copy of a copy doubles

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_NEEDS = {"add": "value", "replace": "value", "test": "value", "move": "from", "copy": "from", "remove": ""}

Pointer = tuple[str, ...]


class Operation(NamedTuple):
    """One operation of a patch."""

    op: str
    path: Pointer
    source: Pointer = ()  # `from`
    value: Any = None
    at: str = ""  # where in the patch it stands, for messages


def read(document: Any) -> tuple[Operation, ...]:
    """Return the operations of a JSON Patch document; raise BadRequest when it is none."""
    if not isinstance(document, list):
        raise BadRequest("A JSON Patch is an array of operations", "JSON Patch là một mảng các thao tác")
    if len(document) > MAX_OPERATIONS:
        raise BadRequest(
            f"The patch has {len(document)} operations, the limit is {MAX_OPERATIONS}: send the whole resource by PUT",
            f"Bản vá có {len(document)} thao tác, giới hạn là {MAX_OPERATIONS}: hãy gửi cả tài nguyên bằng PUT",
        )
    return tuple(_operation(row, number) for number, row in enumerate(document))


def apply(operations: tuple[Operation, ...], document: Any) -> Any:
    """Return `document` changed by `operations`, itself untouched; raise Conflict for one that does not apply."""
    holder: dict[str, Any] = {"": wire.loads(wire.dumps(document))}
    room = MAX_COPIED
    for operation in operations:
        path = ("", *operation.path)
        match operation.op:
            case "add":
                _add(holder, path, _copied(operation.value), operation)
            case "remove":
                _remove(holder, path, operation)
            case "replace":
                _replace(holder, path, _copied(operation.value), operation)
            case "move":
                _add(holder, path, _remove(holder, ("", *operation.source), operation), operation)
            case "copy":
                written = wire.dumps(_get(holder, ("", *operation.source), operation))
                room -= len(written)
                if room < 0:
                    raise TooCostly(
                        f"JSON Patch, {operation.at}: the copies are too large; nothing was changed",
                        f"JSON Patch, {operation.at}: các bản sao quá lớn; chưa thay đổi gì",
                    )
                _add(holder, path, wire.loads(written), operation)
            case _:
                if not _equal(_get(holder, path, operation), operation.value):
                    raise _inapplicable(
                        operation, "the test failed: another value is there", "phép kiểm tra sai: giá trị khác"
                    )
    return holder.get("")


def _operation(row: Any, number: int) -> Operation:
    at = f"operation {number}"
    op = row.get("op") if isinstance(row, dict) else None
    if not isinstance(op, str) or op not in _NEEDS:
        raise _malformed(at, f"needs op: {', '.join(_NEEDS)}", f"cần op: {', '.join(_NEEDS)}")
    needed = _NEEDS[op]
    if needed and needed not in row:
        raise _malformed(at, f"'{op}' needs '{needed}'", f"'{op}' cần '{needed}'")
    path = _pointer(row.get("path"), at)
    source = _pointer(row["from"], at) if needed == "from" else ()
    if op == "move" and len(path) > len(source) and path[: len(source)] == source:
        raise _malformed(at, "moves a value into itself", "chuyển một giá trị vào chính nó")
    return Operation(op, path, source, row.get("value"), at)


def _pointer(text: Any, at: str) -> Pointer:
    if not isinstance(text, str) or (text and not text.startswith("/")) or re.search(r"~(?![01])", text):
        raise _malformed(at, "needs path (and from): '' or '/name/0'", "cần path (và from): '' hoặc '/name/0'")
    steps = tuple(step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:])
    if len(steps) > MAX_STEPS:
        raise _malformed(at, f"has a path of over {MAX_STEPS} steps", f"có đường dẫn dài hơn {MAX_STEPS} bước")
    return steps


def _malformed(at: str, en: str, vi: str) -> BadRequest:
    return BadRequest(f"JSON Patch, {at}: {en}", f"JSON Patch, {at.replace('operation', 'thao tác')}: {vi}")


def _inapplicable(operation: Operation, en: str, vi: str) -> Conflict:
    """Return the error for a resource that is not as the patch takes it to be (RFC 5789, 2.2: conflicting state)."""
    path = "/" + "/".join(operation.path)[:128] if operation.path else "''"
    return Conflict(
        f"JSON Patch, {operation.at} ({operation.op} {path}): {en}; nothing was changed",
        f"JSON Patch, {operation.at.replace('operation', 'thao tác')} ({operation.op} {path}): {vi}; chưa thay đổi gì",
    )


def _copied(value: Any) -> Any:
    return wire.loads(wire.dumps(value))


def _get(holder: Any, path: Pointer, operation: Operation) -> Any:
    for step in path:
        if isinstance(holder, dict) and step in holder:
            holder = holder[step]
        elif isinstance(holder, list) and _INDEX.fullmatch(step) and int(step) < len(holder):
            holder = holder[int(step)]
        else:
            raise _inapplicable(operation, f"there is no '{step[:64]}'", f"không có '{step[:64]}'")
    return holder


def _add(holder: Any, path: Pointer, value: Any, operation: Operation) -> None:
    place, last = _get(holder, path[:-1], operation), path[-1]
    if isinstance(place, dict):
        place[last] = value
    elif isinstance(place, list) and last == "-":
        place.append(value)
    elif isinstance(place, list) and _INDEX.fullmatch(last) and int(last) <= len(place):
        place.insert(int(last), value)
    else:
        raise _inapplicable(operation, f"there is no place '{last[:64]}'", f"không có vị trí '{last[:64]}'")


def _replace(holder: Any, path: Pointer, value: Any, operation: Operation) -> None:
    _get(holder, path, operation)  # there must be one
    place = _get(holder, path[:-1], operation)
    place[int(path[-1]) if isinstance(place, list) else path[-1]] = value  # an object keeps its order


def _remove(holder: Any, path: Pointer, operation: Operation) -> Any:
    value = _get(holder, path, operation)
    place = _get(holder, path[:-1], operation)
    if isinstance(place, list):
        place.pop(int(path[-1]))
    else:
        del place[path[-1]]
    return value


def _equal(one: Any, other: Any) -> bool:
    """Return whether two JSON values are equal (RFC 6902, 4.6): numbers by value, and true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, int | Decimal) and isinstance(other, int | Decimal):
        return one == other
    return type(one) is type(other) and bool(one == other)
