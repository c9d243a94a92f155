"""How an operation is called, and how its Parameters are read and written.

https://hl7.org/fhir/R4/operations.html#executing · https://hl7.org/fhir/R4/parameters.html
"""

from typing import Any, Protocol

from fhir_server import wire
from fhir_server.interactions.answer import Answer
from fhir_server.outcome import BadRequest

Json = dict[str, Any]


class Call(Protocol):
    """The call of an operation: where, and with what."""

    @property
    def type(self) -> str | None: ...
    @property
    def id(self) -> str | None: ...
    @property
    def params(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def resource(self) -> Any: ...


def inputs(call: Call, known: tuple[str, ...], lists: tuple[str, ...] = (), *, body: bool = True) -> dict[str, Any]:
    """Return the input parameters by name, each once; raise BadRequest on an unknown or repeated one.

    Those in `lists` may be repeated: texts are given joined by commas, other values as a list. Without `body` only
    the address is read: the body is what the operation is about. A parameter made of parts has them as its value.
    """
    given: list[tuple[str, Any]] = [pair for pair in call.params if pair[0] not in {"_format", "_pretty"}]
    if body and call.resource is not None:
        given += list(_of_parameters(call.resource))
    values: dict[str, Any] = {}
    several: dict[str, list[Any]] = {}
    for name, value in given:
        if name in lists:
            kept = several.setdefault(name, [])
            if kept and isinstance(kept[0], str) != isinstance(value, str):
                raise _refused(name, known, twice=True)
            kept.append(value)
            continue
        if name not in known or name in values:
            raise _refused(name, known, twice=name in values)
        values[name] = value
    for name, kept in several.items():
        values[name] = ",".join(kept) if isinstance(kept[0], str) else kept
    return values


def _refused(name: str, known: tuple[str, ...], *, twice: bool) -> BadRequest:
    problem_en, problem_vi = ("is given twice", "được gửi hai lần") if twice else ("is unknown", "không có")
    return BadRequest(
        f"Parameter '{name[:64]}' {problem_en}: this operation takes {', '.join(known) or 'none'}, each once",
        f"Tham số '{name[:64]}' {problem_vi}: thao tác này nhận {', '.join(known) or '-'}, mỗi tham số một lần",
    )


def _of_parameters(resource: Any) -> list[tuple[str, Any]]:
    rows = resource.get("parameter", []) if isinstance(resource, dict) else None
    if not isinstance(rows, list) or resource.get("resourceType") != "Parameters":
        raise BadRequest(
            "The body of an operation is a Parameters resource", "Nội dung của thao tác phải là tài nguyên Parameters"
        )
    return [_of_row(row) for row in rows]


def _of_row(row: Any) -> tuple[str, Any]:
    name = row.get("name") if isinstance(row, dict) else None
    holds = ("resource", "part")
    values = [row[key] for key in row if key in holds or key.startswith("value")] if isinstance(row, dict) else []
    if not isinstance(name, str) or len(values) != 1:
        raise BadRequest(
            "Each parameter has a name and one value or resource",
            "Mỗi tham số phải có tên và một giá trị hoặc tài nguyên",
        )
    return name, values[0]


def text(values: dict[str, Any], name: str) -> str | None:
    """Return the code or string given as `name`: a primitive, or the code of a Coding; raise BadRequest otherwise."""
    value = values.get(name)
    if isinstance(value, dict):
        value = value.get("code")
    if value is not None and not (isinstance(value, str) and value):
        raise BadRequest(f"Parameter '{name}' is a code or a Coding", f"Tham số '{name}' là mã hoặc Coding")
    return value


def escaped(text: str) -> str:
    """Return `text` as part of a search value (https://hl7.org/fhir/R4/search.html#escaping)."""
    return "".join(f"\\{character}" if character in "\\,|$" else character for character in text)


def parameters(rows: list[Json]) -> Answer:
    """Answer with a Parameters resource of these rows."""
    return Answer(200, wire.dumps({"resourceType": "Parameters", "parameter": rows}))
