"""JSON Patch: the examples of RFC 6902, appendix A, and laws.

https://www.rfc-editor.org/rfc/rfc6902#appendix-A
"""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server import wire
from fhir_server.interactions.jsonpatch import apply, read
from fhir_server.outcome import BadRequest, Conflict, TooCostly

EXAMPLES = {
    "A.1 add a member": ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
    "A.2 add an item": (
        {"foo": ["bar", "baz"]},
        [{"op": "add", "path": "/foo/1", "value": "qux"}],
        {"foo": ["bar", "qux", "baz"]},
    ),
    "A.3 remove a member": ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
    "A.4 remove an item": (
        {"foo": ["bar", "qux", "baz"]},
        [{"op": "remove", "path": "/foo/1"}],
        {"foo": ["bar", "baz"]},
    ),
    "A.5 replace": ({"baz": "qux"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo"}),
    "A.6 move a member": (
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    "A.7 move an item": (
        {"foo": ["all", "grass", "cows", "eat"]},
        [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    "A.8 test": (
        {"baz": "qux", "foo": ["a", 2, "c"]},
        [{"op": "test", "path": "/baz", "value": "qux"}, {"op": "test", "path": "/foo/1", "value": 2}],
        {"baz": "qux", "foo": ["a", 2, "c"]},
    ),
    "A.10 add nested": (
        {"foo": "bar"},
        [{"op": "add", "path": "/child", "value": {"grandchild": {}}}],
        {"foo": "bar", "child": {"grandchild": {}}},
    ),
    "A.11 what is not known is ignored": (
        {"foo": "bar"},
        [{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}],
        {"foo": "bar", "baz": "qux"},
    ),
    "A.14 ~ in a path": ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
    "A.16 add an array": (
        {"foo": ["bar"]},
        [{"op": "add", "path": "/foo/-", "value": ["abc"]}],
        {"foo": ["bar", ["abc"]]},
    ),
}
INAPPLICABLE = {
    "A.9 a failed test": ({"baz": "qux"}, [{"op": "test", "path": "/baz", "value": "bar"}]),
    "A.12 no place to add to": ({"foo": "bar"}, [{"op": "add", "path": "/baz/bat", "value": "qux"}]),
    "A.15 a string is no number": ({"~1": 10}, [{"op": "test", "path": "/~01", "value": "10"}]),
}


@pytest.mark.parametrize(("document", "patch", "expected"), EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_of_the_rfc_gives_its_result(document: Any, patch: Any, expected: Any) -> None:
    before = wire.dumps(document)
    assert apply(read(patch), document) == expected
    assert wire.dumps(document) == before


@pytest.mark.parametrize(("document", "patch"), INAPPLICABLE.values(), ids=INAPPLICABLE)
def test_an_example_of_an_error_is_refused(document: Any, patch: Any) -> None:
    with pytest.raises(Conflict):
        apply(read(patch), document)


json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(st.text(max_size=3), json, max_size=4)


def pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


@given(documents, st.text(max_size=3), json)
def test_what_is_added_is_there_and_can_be_taken_away(document: dict[str, Any], name: str, value: Any) -> None:
    path = pointer(name)
    added = [{"op": "add", "path": path, "value": value}, {"op": "test", "path": path, "value": value}]
    assert apply(read(added), document) == {**document, name: value}
    removed = apply(read([*added, {"op": "remove", "path": path}]), document)
    assert removed == {key: each for key, each in document.items() if key != name}


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["op", "path", "from", "value"]),
            json | st.sampled_from(["add", "move", "copy", "test", "remove", "", "/a", "/a/0"]),
        ),
        max_size=4,
    ),
    documents,
)
def test_any_patch_is_applied_or_refused(patch: Any, document: dict[str, Any]) -> None:
    with suppress(BadRequest, Conflict, TooCostly):
        assert wire.loads(wire.dumps(apply(read(patch), document))) is not ...


def test_copies_of_copies_are_bounded() -> None:
    patch = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 60
    with pytest.raises(TooCostly, match="too large"):
        apply(read(patch), {"a": ["x" * 100]})
