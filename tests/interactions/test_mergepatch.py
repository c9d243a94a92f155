"""JSON Merge Patch against the examples of its RFC, whose patches are objects.

https://www.rfc-editor.org/rfc/rfc7396#appendix-A
"""

import copy
from typing import Any

import pytest

from fhir_server.interactions import mergepatch

EXAMPLES: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_examples_of_the_rfc_hold(target: Any, patch: Any, result: Any) -> None:
    before = copy.deepcopy(target)
    assert mergepatch.apply(patch, target) == result
    assert target == before
