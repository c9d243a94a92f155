"""Every interaction as a value, and how a request (or a Bundle entry) is read into one.

https://hl7.org/fhir/R4/http.html#summary
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from fhir_server.interactions.compartment import Compartment
from fhir_server.interactions.conditional import Unless
from fhir_server.interactions.write import ID
from fhir_server.operations.table import OPERATIONS
from fhir_server.outcome import BadRequest, MethodNotAllowed, NotFound, NotSupported
from fhir_server.rest import headers

Params = tuple[tuple[str, str], ...]

PRESENTATION = ("_format", "_pretty")
SHAPES = ("_summary", "_elements")
COMPARTMENTS = ("Patient", "Encounter", "RelatedPerson", "Practitioner", "Device")


@dataclass(frozen=True, slots=True)
class Read:
    type: str
    id: str
    unless: Unless | None = None  # None: answered in any case
    shape: Params = ()  # _summary or _elements


@dataclass(frozen=True, slots=True)
class VRead:
    type: str
    id: str
    version: int
    unless: Unless | None = None
    shape: Params = ()


@dataclass(frozen=True, slots=True)
class Create:
    type: str
    resource: Any
    if_none_exist: Params | None = None  # the condition under which there is one already


@dataclass(frozen=True, slots=True)
class Update:
    type: str
    id: str
    resource: Any
    if_match: int | None = None
    only_new: bool = False  # If-None-Match: *


@dataclass(frozen=True, slots=True)
class ConditionalUpdate:
    type: str
    params: Params
    resource: Any
    if_match: int | None = None
    only_new: bool = False


@dataclass(frozen=True, slots=True)
class Patch:
    type: str
    id: str
    patch: Any
    if_match: int | None = None


@dataclass(frozen=True, slots=True)
class ConditionalPatch:
    type: str
    params: Params
    patch: Any
    if_match: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    type: str
    id: str
    if_match: int | None = None


@dataclass(frozen=True, slots=True)
class ConditionalDelete:
    type: str
    params: Params
    if_match: int | None = None


@dataclass(frozen=True, slots=True)
class History:
    type: str | None  # None: of the whole system
    id: str | None  # None: of all resources of the type
    params: Params = ()


@dataclass(frozen=True, slots=True)
class Search:
    type: str | None  # None: several types, or all
    params: Params = ()
    within: Compartment | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """A batch or a transaction."""

    resource: Any


@dataclass(frozen=True, slots=True)
class Capabilities:
    mode: str = "full"  # full | normative | terminology
    shape: Params = ()


@dataclass(frozen=True, slots=True)
class Invoke:
    """An operation: `$name` at the system, a type or an instance; or one of the certificate services."""

    name: str
    type: str | None = None
    id: str | None = None
    params: Params = ()
    resource: Any = None
    reads: bool = False  # called with GET: it changes nothing


# After these, Prefer says what comes back.
Stores = Create | Update | ConditionalUpdate | Patch | ConditionalPatch
Interaction = Read | VRead | Stores | Delete | ConditionalDelete | History | Search | Bundle | Capabilities | Invoke


@dataclass(frozen=True, slots=True)
class Request:
    """What a request or a Bundle entry says, before it is understood."""

    method: str
    path: tuple[str, ...]  # below the base URL, unquoted
    params: Params
    headers: Mapping[str, str]  # lower-case names
    body: Any = None  # parsed JSON
    form: Params = ()  # application/x-www-form-urlencoded


def request(method: str, url: str, headers: Mapping[str, str], body: Any = None, form: Params = ()) -> Request:
    """Read the part of a URL that follows the base: `Patient/1?_pretty=true`."""
    path, _, query = url.partition("?")
    steps = tuple(unquote(step) for step in path.strip("/").split("/") if step)
    return Request(method, steps, parameters(query), headers, body, form)


def parameters(query: str | bytes) -> Params:
    """Read a query string (or a form) into pairs; raise BadRequest when it has too many."""
    try:
        # Not every client encodes what it writes: `curl -d name=Nguyễn` sends it as it is, in UTF-8.
        text = query.decode() if isinstance(query, bytes) else query
        return tuple(parse_qsl(text, keep_blank_values=True, max_num_fields=500, errors="strict"))
    except (ValueError, UnicodeDecodeError):
        raise BadRequest(
            "The query has more than 500 parameters or is not UTF-8: send less, percent-encoded as UTF-8",
            "Truy vấn có hơn 500 tham số hoặc không phải UTF-8: hãy gửi ít hơn, mã hóa UTF-8",
        ) from None


def understand(said: Request, types: Collection[str]) -> Interaction:
    """Return the interaction that `said` asks for; raise the FhirError that says why there is none."""
    match said.path:
        case () | ("metadata" | "_history" | "_search",):
            return _system(said)
        case (name,) if name.startswith("$"):
            return _invoke(said, name[1:], None, None)
        case (type, *_) if type not in types:
            raise NotFound(
                f"'{type[:64]}' is not a resource type of FHIR R4", f"'{type[:64]}' không phải loại tài nguyên FHIR R4"
            )
        case (type,):
            return _type(said, type)
        case (type, "_search") if said.method == "POST":
            return Search(type, (*said.params, *said.form))
        case (type, "_history") if said.method == "GET":
            return History(type, None, said.params)
        case (type, name) if name.startswith("$"):
            return _invoke(said, name[1:], type, None)
        case (type, id, *rest):
            return _of_instance(said, type, valid_id(id), rest, types)
        case _:
            raise _not_here(said)


def _of_instance(said: Request, type: str, id: str, rest: list[str], types: Collection[str]) -> Interaction:
    match rest:
        case []:
            return _instance(said, type, id)
        case ["_history"] if said.method == "GET":
            return History(type, id, said.params)
        case ["_history", version] if said.method == "GET":
            return VRead(type, id, _version(version), headers.unless(said.headers), _shape(said))
        case [name] if name.startswith("$"):
            return _invoke(said, name[1:], type, id)
    if type in COMPARTMENTS:
        return _compartment(said, Compartment(type, id), rest, types)
    raise _not_here(said)


def _system(said: Request) -> Interaction:
    match said.method, said.path:
        case "POST", ():
            _only(said)
            return Bundle(said.body)
        case "GET", ("metadata",):
            return Capabilities(dict(said.params).get("mode", "full"), _shape(said, "mode"))
        case "GET", ("_history",):
            return History(None, None, said.params)
        case ("GET", ()) | ("POST", ("_search",)):
            return Search(None, (*said.params, *said.form))
        case _:
            raise _not_here(said)


def _compartment(said: Request, within: Compartment, rest: list[str], types: Collection[str]) -> Search:
    match said.method, rest:
        case ("GET", ["*"]) | ("POST", ["_search"] | ["*", "_search"]):
            return Search(None, (*said.params, *said.form), within)
        case ("GET", [type]) | ("POST", [type, "_search"]) if type in types:
            return Search(type, (*said.params, *said.form), within)
        case _:
            raise _not_here(said)


def _type(said: Request, type: str) -> Interaction:
    match said.method:
        case "GET":
            return Search(type, said.params)
        case "POST":
            _only(said)
            wanted = headers.if_none_exist(said.headers)
            return Create(type, said.body, None if wanted is None else parameters(wanted))
        case "PUT":
            return ConditionalUpdate(
                type, _condition(said), said.body, headers.if_match(said.headers), headers.only_new(said.headers)
            )
        case "DELETE":
            return ConditionalDelete(type, _condition(said), headers.if_match(said.headers))
        case "PATCH":
            return ConditionalPatch(type, _condition(said), said.body, headers.if_match(said.headers))
        case _:
            raise _not_here(said)


def _instance(said: Request, type: str, id: str) -> Interaction:
    if said.method == "GET":
        return Read(type, id, headers.unless(said.headers), _shape(said))
    _only(said)
    match said.method:
        case "PUT":
            return Update(type, id, said.body, headers.if_match(said.headers), headers.only_new(said.headers))
        case "PATCH":
            return Patch(type, id, said.body, headers.if_match(said.headers))
        case "DELETE":
            return Delete(type, id, headers.if_match(said.headers))
        case _:
            raise _not_here(said)


def _shape(said: Request, *more: str) -> Params:
    """Return the parameters that ask for a part of the resource; raise BadRequest when there are others."""
    _only(said, *SHAPES, *more)
    return tuple(pair for pair in said.params if pair[0] in SHAPES)


def _only(said: Request, *known: str) -> None:
    """Raise BadRequest when the query has parameters other than `known` and those of every interaction."""
    taken = {*PRESENTATION, *known}
    if unknown := [name[:64] for name, _ in said.params if name not in taken]:
        # Some clients send the condition of a create so: to leave it out would store what is stored already.
        hint = ("send a condition as If-None-Exist", "gửi điều kiện bằng If-None-Exist")
        en, vi = hint if said.method == "POST" else ("leave them out", "bỏ các tham số này")
        raise BadRequest(
            f"{said.method} {'/'.join(said.path)[:128]} does not take {', '.join(unknown[:20])}: {en}",
            f"{said.method} {'/'.join(said.path)[:128]} không nhận {', '.join(unknown[:20])}: hãy {vi}",
        )


def _condition(said: Request) -> Params:
    """Return the parameters that choose the resource; raise BadRequest when there are none."""
    if not said.params:
        raise BadRequest(
            f"{said.method} needs an id or a condition: {said.path[0]}/[id], or {said.path[0]}?identifier=…",
            f"{said.method} cần id hoặc điều kiện: {said.path[0]}/[id], hoặc {said.path[0]}?identifier=…",
        )
    return said.params


def _invoke(said: Request, name: str, type: str | None, id: str | None) -> Invoke:
    operation = OPERATIONS.get(name)
    level = "instance" if id else "type" if type else "system"
    if operation is None or level not in operation.levels or (type and operation.types and type not in operation.types):
        raise NotSupported(
            f"Operation ${name[:64]} does not exist at this address: see /metadata for those that do",
            f"Không có thao tác ${name[:64]} tại địa chỉ này: xem /metadata để biết các thao tác có sẵn",
        )
    if said.method not in operation.methods:
        raise MethodNotAllowed(
            f"${name} is called with {' or '.join(operation.methods)}",
            f"${name} được gọi bằng {' hoặc '.join(operation.methods)}",
        )
    return Invoke(name, type, id, said.params, said.body, said.method == "GET")


def valid_id(id: str) -> str:
    """Return `id`; raise NotFound when no resource can have it."""
    if not ID.fullmatch(id):
        raise NotFound(f"'{id[:80]}' cannot be the id of a resource", f"'{id[:80]}' không thể là id của tài nguyên")
    return id


def _version(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise NotFound(f"'{text[:80]}' is not a version of this server", f"'{text[:80]}' không phải số phiên bản")
    return int(text)


def _not_here(said: Request) -> MethodNotAllowed:
    path = "/".join(said.path)[:128]
    return MethodNotAllowed(
        f"{said.method} is not supported for '{path}': see /metadata",
        f"Không hỗ trợ {said.method} cho '{path}': xem /metadata",
    )
