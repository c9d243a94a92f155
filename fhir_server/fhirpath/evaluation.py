"""Expressions on values whose types are not known before they are met, such as invariants: closures over JSON.

https://hl7.org/fhirpath/N1/ · https://hl7.org/fhir/R4/fhirpath.html

JSON does not say of what type a value is. What depends on that (a `value.is(Quantity)`, the extensions of a primitive
that has a value too), and what only a terminology or a store could answer, is refused at compile time.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from fhir_server.fhirpath import functions
from fhir_server.fhirpath.functions import EMPTY, FALSE, TRUE, Bare, Values, boolean, logical
from fhir_server.fhirpath.names import Names
from fhir_server.fhirpath.syntax import (
    Binary,
    Call,
    Index,
    Literal,
    Member,
    Negative,
    Node,
    Step,
    This,
    Typed,
    Unsupported,
    Variable,
    parse,
    type_name,
)

# A collection of the focus and the resource around it → a collection
Evaluate = Callable[[Values, dict[str, Any]], Values]

CONSTANTS: Mapping[str, str] = {
    "ucum": "http://unitsofmeasure.org",
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}
SYSTEM_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "String": (str,),
    "boolean": (bool,),
    "Boolean": (bool,),
}


def compile(expression: str | Node, names: Names) -> Evaluate:
    """Return the closure for `expression`; raise Unsupported when it is not of the part that is compiled here."""
    return _node(parse(expression) if isinstance(expression, str) else expression, names)


def _node(node: Node, names: Names) -> Evaluate:
    match node:
        case Literal(value):
            constant = EMPTY if value is None else [value]
            return lambda this, resource: constant
        case This():
            return lambda this, resource: this
        case Variable(name):
            return _variable(name)
        case Member(name):
            child = _member(name, names)
            return lambda this, resource: child(this)
        case Call(name, arguments):
            return _call(name, arguments, names)
        case Step(source, then):
            return _step(source, then, names)
        case Index(source, position):
            return _index(_node(source, names), _node(position, names))
        case Negative(operand):
            number = _node(operand, names)
            return lambda this, resource: functions.arithmetic("-", [0], number(this, resource))
        case Typed(operator, source, kind):
            return _typed(operator, source, kind, names)
        case Binary(operator, left, right):
            return _binary(operator, left, right, names)


def _variable(name: str) -> Evaluate:
    if name in ("resource", "rootResource"):
        return lambda this, resource: [resource]
    if name not in CONSTANTS:
        raise Unsupported(f"the variable %{name}")
    constant = [CONSTANTS[name]]
    return lambda this, resource: constant


def _step(source: Node, then: Member | Call | This, names: Names) -> Evaluate:
    if isinstance(then, Call) and then.name in ("ofType", "as") and len(then.arguments) == 1:
        return _typed("as", source, type_name(then.arguments[0]), names)
    first = _node(source, names)
    if isinstance(then, Call):
        function = _function(then.name, then.arguments, names)
        return lambda this, resource: function(first(this, resource), this, resource)
    if isinstance(then, This):
        return first
    child = _member(then.name, names)
    return lambda this, resource: child(first(this, resource))


def _call(name: str, arguments: tuple[Node, ...], names: Names) -> Evaluate:
    function = _function(name, arguments, names)
    return lambda this, resource: function(this, this, resource)


def _member(name: str, names: Names) -> Callable[[Values], Values]:
    """Return the step to child `name`: a choice has it under the name of each type."""
    if name in names.resources:  # "Patient" at the beginning of a path
        return lambda values: [value for value in values if type(value) is dict and value.get("resourceType") == name]
    extras = "_" + name
    choice = _choice(frozenset(names.choices[name])) if name in names.choices else None

    def child(values: Values) -> Values:
        found: Values = []
        for value in values:
            if type(value) is not dict:
                if type(value) is not Bare:
                    continue
                value = value.extras
            item = value.get(name)
            if item is None:
                if extras in value and type(value[extras]) is dict:
                    found.append(Bare(value[extras]))
                elif choice is not None:
                    found += choice([value])
            elif type(item) is list:
                found += [each for each in item if each is not None]
            else:
                found.append(item)
        return found

    return child


def _choice(properties: frozenset[str]) -> Callable[[Values], Values]:
    every = properties | {"_" + name for name in properties}

    def child(values: Values) -> Values:
        found: Values = []
        for value in values:
            if type(value) is dict:
                for name in every & value.keys():
                    if name[0] != "_":
                        found.append(value[name])
                    elif name[1:] not in value and type(value[name]) is dict:
                        found.append(Bare(value[name]))
        return found

    return child


def _typed(operator: str, source: Node, kind: str, names: Names) -> Evaluate:
    """Compile `is`, `as` and `ofType`: of a choice by its name, of resources by their type."""
    if operator == "as" and isinstance(source, Member | Step):
        name = source.name if isinstance(source, Member) else getattr(source.then, "name", "")
        chosen = [key for key, type in names.choices.get(name, {}).items() if type == kind]
        is_member = isinstance(source, Member) or isinstance(source.then, Member)
        if chosen and is_member:
            child = _choice(frozenset(chosen))
            if isinstance(source, Member):
                return lambda this, resource: child(this)
            before = _node(source.source, names)
            return lambda this, resource: child(before(this, resource))
    values = _node(source, names)
    matches = _of_type(kind, names)
    if operator == "as":
        return lambda this, resource: [value for value in values(this, resource) if matches(value)]
    return lambda this, resource: [matches(value) for value in values(this, resource)[:1]]


def _of_type(kind: str, names: Names) -> Callable[[Any], bool]:
    if kind in names.resources:
        return lambda value: type(value) is dict and value.get("resourceType") == kind
    if kind in SYSTEM_TYPES:
        return lambda value: type(value) in SYSTEM_TYPES[kind]
    raise Unsupported(f"JSON does not tell whether a value is a {kind}")


def _index(values: Evaluate, position: Evaluate) -> Evaluate:
    def evaluate(this: Values, resource: dict[str, Any]) -> Values:
        at = position(this, resource)
        return values(this, resource)[at[0] : at[0] + 1] if at and type(at[0]) is int and at[0] >= 0 else EMPTY

    return evaluate


def _binary(operator: str, left: Node, right: Node, names: Names) -> Evaluate:
    one, other = _node(left, names), _node(right, names)
    match operator:
        case "and" | "or" | "implies" | "xor":
            return _connective(operator, one, other)
        case "=" if isinstance(right, Literal) and isinstance(right.value, str):
            return _equals_text(one, right.value)
        case "=":
            return lambda this, resource: boolean(functions.equal(one(this, resource), other(this, resource)))
        case "!=":
            return lambda this, resource: functions.negation(
                boolean(functions.equal(one(this, resource), other(this, resource)))
            )
        case "~":
            return lambda this, resource: boolean(functions.equivalent(one(this, resource), other(this, resource)))
        case "!~":
            return lambda this, resource: boolean(not functions.equivalent(one(this, resource), other(this, resource)))
        case "<" | ">" | "<=" | ">=":
            return _comparison(operator, one, other)
        case "|":
            return lambda this, resource: functions.distinct([*one(this, resource), *other(this, resource)])
        case "in":
            return lambda this, resource: functions.within(one(this, resource), other(this, resource))
        case "contains":
            return lambda this, resource: functions.within(other(this, resource), one(this, resource))
        case "&":
            return lambda this, resource: [
                "".join(str(value) for value in (*one(this, resource)[:1], *other(this, resource)[:1]))
            ]
        case _:
            return lambda this, resource: functions.arithmetic(operator, one(this, resource), other(this, resource))


def _equals_text(values: Evaluate, text: str) -> Evaluate:
    """`path = 'text'`, the most frequent of all comparisons."""

    def evaluate(this: Values, resource: dict[str, Any]) -> Values:
        found = values(this, resource)
        if not found or type(found[0]) is Bare:
            return EMPTY
        return TRUE if len(found) == 1 and found[0] == text else FALSE

    return evaluate


def _comparison(operator: str, one: Evaluate, other: Evaluate) -> Evaluate:
    wanted = {"<": (-1,), ">": (1,), "<=": (-1, 0), ">=": (1, 0)}[operator]

    def evaluate(this: Values, resource: dict[str, Any]) -> Values:
        found = functions.order(one(this, resource), other(this, resource))
        return EMPTY if found is None else TRUE if found in wanted else FALSE

    return evaluate


def _connective(operator: str, one: Evaluate, other: Evaluate) -> Evaluate:
    """Three-valued logic (§6.5); the right side is not evaluated when the left one decides."""

    def both(this: Values, resource: dict[str, Any]) -> Values:
        left = logical(one(this, resource))
        if left is False:
            return FALSE
        right = logical(other(this, resource))
        return FALSE if right is False else EMPTY if left is None or right is None else TRUE

    def either(this: Values, resource: dict[str, Any]) -> Values:
        left = logical(one(this, resource))
        if left is True:
            return TRUE
        right = logical(other(this, resource))
        return TRUE if right is True else EMPTY if left is None or right is None else FALSE

    def implication(this: Values, resource: dict[str, Any]) -> Values:
        left = logical(one(this, resource))
        if left is False:
            return TRUE
        right = logical(other(this, resource))
        return TRUE if right is True else EMPTY if left is None or right is None else FALSE

    def exclusive(this: Values, resource: dict[str, Any]) -> Values:
        left, right = logical(one(this, resource)), logical(other(this, resource))
        return EMPTY if left is None or right is None else boolean(left != right)

    return {"and": both, "or": either, "implies": implication, "xor": exclusive}[operator]


# What is left of the dot, what `$this` is around it, the resource → a collection
Function = Callable[[Values, Values, dict[str, Any]], Values]


def _function(name: str, arguments: tuple[Node, ...], names: Names) -> Function:
    if name in functions.PLAIN and (not arguments or name == "trace"):
        plain = functions.PLAIN[name]
        return lambda values, this, resource: plain(values)
    if name in functions.TEXTUAL and len(arguments) == 1:
        return _textual(functions.TEXTUAL[name], _node(arguments[0], names))
    if name in functions.PAIRS and len(arguments) == 1:
        pair, argument = functions.PAIRS[name], _node(arguments[0], names)
        return lambda values, this, resource: pair(values, argument(this, resource))
    match name, arguments:
        case (("where" | "all" | "exists" | "select"), (criterion,)):
            return _iteration(name, criterion, names)
        case "matches", (Literal(str(pattern)),):
            return _matches(pattern)
        case "extension", (Literal(str(url)),):
            return _extension(url)
        case "iif", (condition, then, *rest):
            return _iif(_node(condition, names), _node(then, names), _node(rest[0], names) if rest else None)
        case "substring", (start, *rest):
            return _substring(_node(start, names), _node(rest[0], names) if rest else None)
        case (("is" | "as" | "ofType"), (kind,)):
            matches = _of_type(type_name(kind), names)
            if name == "is":
                return lambda values, this, resource: [matches(value) for value in values[:1]]
            return lambda values, this, resource: [value for value in values if matches(value)]
        case _:
            raise Unsupported(f"the function {name} with {len(arguments)} arguments")


def _iteration(name: str, criterion: Node, names: Names) -> Function:
    if name == "select":
        projection = _node(criterion, names)
        return lambda values, this, resource: [found for value in values for found in projection([value], resource)]
    test = _test(criterion, names)
    if name == "where":
        return lambda values, this, resource: [value for value in values if test(value, resource)]
    decide = all if name == "all" else any
    return lambda values, this, resource: boolean(decide(test(value, resource) for value in values))


def _test(criterion: Node, names: Names) -> Callable[[Any, dict[str, Any]], bool]:
    """Return whether one item makes `criterion` true; the usual criteria need no collections for that."""
    match criterion:
        case Binary("or", left, right):
            one, other = _test(left, names), _test(right, names)
            return lambda item, resource: one(item, resource) or other(item, resource)
        case Binary("and", left, right):
            one, other = _test(left, names), _test(right, names)
            return lambda item, resource: one(item, resource) and other(item, resource)
        case Binary("=", Member(name), Literal(str(text))) if name not in names.choices and name not in names.resources:
            alone = [text]  # a list of one item is that item
            return lambda item, resource: (
                type(item) is dict and ((value := item.get(name)) == text or (type(value) is list and value == alone))
            )
        case _:
            evaluate = _node(criterion, names)
            return lambda item, resource: logical(evaluate([item], resource)) is True


def _matches(pattern: str) -> Function:
    try:
        search = functions.anchored(pattern)
    except re.error as error:
        raise Unsupported(f"the regular expression {pattern!r}: {error}") from None

    def matches(values: Values, this: Values, resource: dict[str, Any]) -> Values:
        if not values or type(values[0]) is not str:
            return EMPTY
        return TRUE if search(values[0]) else FALSE

    return matches


def _textual(function: Callable[[str, Any], Values], argument: Evaluate) -> Function:
    def evaluate(values: Values, this: Values, resource: dict[str, Any]) -> Values:
        part = argument(this, resource)
        return function(values[0], part[0]) if values and part and type(values[0]) is str else EMPTY

    return evaluate


def _extension(url: str) -> Function:
    def extension(values: Values, this: Values, resource: dict[str, Any]) -> Values:
        holders = (value.extras if type(value) is Bare else value for value in values)
        lists = (value.get("extension") for value in holders if type(value) is dict)
        return [
            found
            for some in lists
            if type(some) is list
            for found in some
            if type(found) is dict and found.get("url") == url
        ]

    return extension


def _iif(condition: Evaluate, then: Evaluate, otherwise: Evaluate | None) -> Function:
    def iif(values: Values, this: Values, resource: dict[str, Any]) -> Values:
        if logical(condition(values, resource)) is True:
            return then(values, resource)
        return EMPTY if otherwise is None else otherwise(values, resource)

    return iif


def _substring(start: Evaluate, length: Evaluate | None) -> Function:
    def substring(values: Values, this: Values, resource: dict[str, Any]) -> Values:
        at = start(this, resource)
        many = [None] if length is None else length(this, resource)
        if not values or type(values[0]) is not str or not at or type(at[0]) is not int or not many:
            return EMPTY
        return functions.substring(values[0], at[0], many[0])

    return substring
