"""Search parameters that users add: what is wrong with one, said before it is stored.

https://hl7.org/fhir/R4/searchparameter.html
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from fhir_server.definitions import Definitions
from fhir_server.definitions.model import SearchParameter
from fhir_server.outcome import Issue
from fhir_server.search.parameters import Catalogue
from fhir_server.search.types import special

Json = dict[str, Any]

CODE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
LONGEST = 4096  # characters of an expression
DEEPEST = 50  # brackets within each other
ABSTRACT = ("Resource", "DomainResource")
_EXAMPLE = "Immunization"  # stands for all types when a parameter is for every resource


def in_force(definition: Json) -> bool:
    """Return whether a SearchParameter that somebody stores is meant to be searched by."""
    return definition.get("status") == "active"


def problems(definition: Json, catalogue: Catalogue) -> list[Issue]:
    """Return why the server could not search by `definition`, a SearchParameter that R4 finds valid; [] when it can.

    https://hl7.org/fhir/R4/searchparameter.html — the reasons are errors; each says what to change.
    """
    return [
        Issue("error", code, en, vi, f"SearchParameter.{element}", f"SearchParameter.{element}:searchable")
        for element, code, en, vi in _problems(definition, catalogue)
    ]


Problem = tuple[str, str, str, str]  # element, issue code, en, vi


def _problems(definition: Json, catalogue: Catalogue) -> Iterator[Problem]:
    code, expression = str(definition.get("code", "")), str(definition.get("expression", ""))
    if not CODE.fullmatch(code):
        yield (
            "code",
            "value",
            f"'{code[:80]}' cannot stand in a search: use letters, digits, '-' and '_', beginning with a letter",
            f"'{code[:80]}' không dùng được khi tìm kiếm: chỉ dùng chữ cái, chữ số, '-' và '_', bắt đầu bằng chữ cái",
        )
        return
    if definition.get("type") == "special":
        yield (
            "type",
            "not-supported",
            "A parameter of type special says nothing that can be indexed: use one of the other types",
            "Tham số kiểu special không lập chỉ mục được: hãy dùng kiểu khác",
        )
        return
    if not expression or len(expression) > LONGEST or _depth(expression) > DEEPEST:
        yield (
            "expression",
            "required" if not expression else "too-long",
            f"The server needs a FHIRPath expression of 1 to {LONGEST} characters that is not nested too deeply",
            f"Cần biểu thức FHIRPath từ 1 đến {LONGEST} ký tự và không lồng quá sâu",
        )
        return
    yield from _clashes(definition, catalogue.definitions)
    try:
        rows = catalogue.definitions.as_search_parameters(definition)
    except KeyError as error:
        yield (
            "component",
            "not-found",
            f"A component is {error}, which is not known here: store that SearchParameter first",
            f"Thành phần {error} chưa có ở đây: hãy lưu SearchParameter đó trước",
        )
        return
    yield from _uncompilable(rows, catalogue)


def _depth(expression: str) -> int:
    deepest = depth = 0
    for character in expression:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(character, 0)
        deepest = max(deepest, depth)
    return deepest


def _clashes(definition: Json, definitions: Definitions) -> Iterator[Problem]:
    """Say which other parameter of a base type has the code already."""
    code, url = definition["code"], definition["url"]
    for base in definition.get("base", ()):
        types = sorted(definitions.resource_types) if base in ABSTRACT else [base]
        for type in types:
            other = definitions.search_parameters(type).get(code)
            if other is not None and other.url != url:
                yield (
                    "code",
                    "conflict",
                    f"{type} has a search parameter '{code}' already ({other.url}): choose another code",
                    f"{type} đã có tham số tìm kiếm '{code}' ({other.url}): hãy chọn mã khác",
                )
                break


def _uncompilable(rows: Sequence[SearchParameter], catalogue: Catalogue) -> Iterator[Problem]:
    for row in rows:
        type = _EXAMPLE if row.base in ABSTRACT else row.base
        if type not in catalogue.definitions.resource_types:
            yield (
                "base",
                "not-supported",
                f"'{row.base}' is no resource type of R4: name the types that the parameter is for",
                f"'{row.base}' không phải loại tài nguyên của R4: hãy nêu các loại áp dụng",
            )
            continue
        reason = _reason(type, row, catalogue)
        if reason is not None:
            yield (
                "expression",
                "not-supported",
                f"{type} cannot be searched by it: {reason[0]}: write a path to elements, such as {type}.identifier",
                f"{type} không tìm được theo tham số này: {reason[1]}: hãy viết đường dẫn tới phần tử",
            )


def _reason(type: str, row: SearchParameter, catalogue: Catalogue) -> tuple[str, str] | None:
    """Return why `type` cannot be searched by it; None when it can."""
    compiled = catalogue.compiled(type, row)
    if compiled.unsupported is not None or row.type != "composite":
        return compiled.unsupported
    if len(compiled.components) < 2:
        return "a composite has at least two components", "tham số composite cần ít nhất hai thành phần"
    for part in compiled.components:
        if not any(catalogue.reader(part, branch) for branch in part.branches):
            return special.NOT_INDEXED
    return None
