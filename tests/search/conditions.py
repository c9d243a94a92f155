"""The part of MongoDB's query language that searches are written in, evaluated naively.

https://www.mongodb.com/docs/manual/reference/operator/query/
"""

import re
from typing import Any

Document = dict[str, Any]


def holds(condition: Document, document: Document) -> bool:
    """True when `document` satisfies `condition`."""
    return all(_holds(key, wanted, document) for key, wanted in condition.items())


def _holds(key: str, wanted: Any, document: Document) -> bool:
    match key:
        case "$and":
            return all(holds(each, document) for each in wanted)
        case "$or":
            return any(holds(each, document) for each in wanted)
        case "$nor":
            return not any(holds(each, document) for each in wanted)
    value = document.get(key)
    values = value if isinstance(value, list) else [] if value is None else [value]
    if not isinstance(wanted, dict):
        return wanted in values
    if "$elemMatch" in wanted:
        assert isinstance(value, list)
        return any(_compare(each, wanted["$elemMatch"]) for each in values)
    if "$nin" in wanted:
        return not any(each in wanted["$nin"] for each in values)
    return any(_compare(each, wanted) for each in values)


def _compare(value: Any, operators: Document) -> bool:
    for operator, bound in operators.items():
        match operator:
            case "$in":
                ok = value in bound
            case "$regex":
                ok = re.search(bound, value) is not None
            case "$gte":
                ok = _order(value) >= _order(bound)
            case "$gt":
                ok = _order(value) > _order(bound)
            case "$lte":
                ok = _order(value) <= _order(bound)
            case "$lt":
                ok = _order(value) < _order(bound)
            case _:
                raise AssertionError(operator)
        if not ok:
            return False
    return True


def _order(value: Any) -> Any:
    """Return what MongoDB compares strings by: their bytes."""
    return value.encode() if isinstance(value, str) else value
