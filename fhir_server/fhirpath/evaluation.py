"""Expressions on values whose types are not known before they are met, such as invariants: closures over JSON.

https://hl7.org/fhirpath/N1/ · https://hl7.org/fhir/R4/fhirpath.html

JSON does not say of what type a value is. What depends on that is decided at compile time (a choice has its type in its
name, the extensions of a primitive lie beside it) or refused then.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from fhir_server.fhirpath import calls, conversions, functions, truths
from fhir_server.fhirpath.around import Around
from fhir_server.fhirpath.calls import Evaluate, Function
from fhir_server.fhirpath.durations import Duration, moved
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

RESOLVE = Call("resolve", ())
LITERAL_REFERENCE = re.compile(
    r"(?:.*/)?([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?"
).fullmatch
CONSTANTS: Mapping[str, str] = {
    "ucum": "http://unitsofmeasure.org",
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}
CORE = "http://hl7.org/fhir/"
PLAIN: Mapping[str, Callable[[Values], Values]] = {**functions.PLAIN, **conversions.PLAIN}
ONE_ARGUMENT = functions.TEXTUAL.keys() | functions.PAIRS.keys() | conversions.NUMERIC.keys()
SYSTEM_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "String": (str,),
    "boolean": (bool,),
    "Boolean": (bool,),
}


def compile(expression: str | Node, names: Names) -> Evaluate:
    """Return the closure for `expression`; raise Unsupported when it is not of the part that is compiled here."""
    return _node(parse(expression) if isinstance(expression, str) else expression, names)


def truth(expression: str | Node, names: Names) -> calls.Truth:
    """Return what `logical` says of `expression` on one item; raise Unsupported as `compile`."""
    return truths.compile(parse(expression) if isinstance(expression, str) else expression, names, _node)


def _node(node: Node, names: Names) -> Evaluate:
    match node:
        case Literal(value):
            return _literal(value)
        case This():
            return lambda this, around: this
        case Variable(name):
            return _variable(name)
        case Member(name):
            child = _member(name, names)
            return lambda this, around: child(this)
        case Call(name, arguments):
            return _call(name, arguments, names)
        case Step(source, then):
            return _step(source, then, names)
        case Index(source, position):
            return calls.item_at(_node(source, names), _node(position, names))
        case Negative(operand):
            number = _node(operand, names)
            return lambda this, around: functions.arithmetic("-", [0], number(this, around))
        case Typed(operator, source, kind):
            return _typed(operator, source, kind, names)
        case Binary("+" | "-" as operator, left, Literal(Duration() as by)):
            return _moved(_node(left, names), by, 1 if operator == "+" else -1)
        case Binary(operator, left, right):
            return _binary(operator, left, right, names)


def _literal(value: Any) -> Evaluate:
    if isinstance(value, Duration):
        raise Unsupported("a duration is compiled only where it is added to a date")
    constant = EMPTY if value is None else [value]
    return lambda this, around: constant


def _variable(name: str) -> Evaluate:
    match name:
        case "resource":
            return lambda this, around: [around.resource]
        case "rootResource":
            return lambda this, around: [around.root]
        case "context":
            return lambda this, around: [around.context]
        case _:
            constant = [_constant(name)]
            return lambda this, around: constant


def _constant(name: str) -> str:
    if name.startswith("vs-"):
        return f"{CORE}ValueSet/{name[3:]}"
    if name.startswith("ext-"):
        return f"{CORE}StructureDefinition/{name[4:]}"
    if name not in CONSTANTS:
        raise Unsupported(f"the variable %{name}")
    return CONSTANTS[name]


def _step(source: Node, then: Member | Call | This, names: Names) -> Evaluate:
    if isinstance(then, Call) and then.name in ("ofType", "as") and len(then.arguments) == 1:
        return _typed("as", source, type_name(then.arguments[0]), names)
    first = _node(source, names)
    if then in (Member("extension"), Member("id")) or (isinstance(then, Call) and then.name == "extension"):
        # Of a primitive with a value both lie beside it, under `_name`.
        match source:
            case Member(name) if name not in names.resources:
                first = calls.with_extras(name, lambda this, around: this, first)
            case Step(before, Member(name)):
                first = calls.with_extras(name, _node(before, names), first)
            case _:
                pass
    if isinstance(then, Call):
        function = _function(then.name, then.arguments, names)
        return lambda this, around: function(first(this, around), this, around)
    if isinstance(then, This):
        return first
    child = _member(then.name, names)
    return lambda this, around: child(first(this, around))


def _call(name: str, arguments: tuple[Node, ...], names: Names) -> Evaluate:
    function = _function(name, arguments, names)
    return lambda this, around: function(this, this, around)


def _member(name: str, names: Names) -> Callable[[Values], Values]:
    """Return the step to child `name`: a choice has it under the name of each type."""
    if name in names.resources:  # "Patient" at the beginning of a path
        return lambda values: [value for value in values if type(value) is dict and value.get("resourceType") == name]
    every = _children(name, _choice(frozenset(names.choices[name])) if name in names.choices else None)

    def child(values: Values) -> Values:
        if len(values) == 1 and type(values[0]) is dict:  # as most often
            item = values[0].get(name)
            if item is not None:
                if type(item) is not list:
                    return [item]
                return item if None not in item else [each for each in item if each is not None]
        return every(values)

    return child


def _children(name: str, choice: Callable[[Values], Values] | None) -> Callable[[Values], Values]:
    extras = "_" + name

    def children(values: Values) -> Values:
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

    return children


def _choice(properties: frozenset[str]) -> Callable[[Values], Values]:
    every = properties | {"_" + name for name in properties}

    def child(values: Values) -> Values:
        found: Values = []
        for value in values:
            if type(value) is dict:
                for name in value if len(value) < len(every) else every & value.keys():
                    if name not in every:
                        continue
                    if value[name] is None:
                        continue
                    if name[0] != "_":
                        found.append(value[name])
                    elif value.get(name[1:]) is None and type(value[name]) is dict:
                        found.append(Bare(value[name]))
        return found

    return child


def _typed(operator: str, source: Node, kind: str, names: Names) -> Evaluate:
    """Compile `is`, `as` and `ofType`: of a choice by its name, of resources by their type."""
    if isinstance(source, Member | Step):
        name = source.name if isinstance(source, Member) else getattr(source.then, "name", "")
        chosen = frozenset(key for key, type in names.choices.get(name, {}).items() if type == kind)
        if chosen and (isinstance(source, Member) or isinstance(source.then, Member)):
            before = None if isinstance(source, Member) else _node(source.source, names)
            return _chosen(operator, before, chosen, frozenset(names.choices[name]))
        if isinstance(source, Step) and source.then == RESOLVE:
            return _resolved_as(operator, _node(source.source, names), kind, names)
    values = _node(source, names)
    matches = _of_type(kind, names)
    if operator == "as":
        return lambda this, around: [value for value in values(this, around) if matches(value)]
    return lambda this, around: [matches(value) for value in values(this, around)[:1]]


def _chosen(operator: str, before: Evaluate | None, chosen: frozenset[str], every: frozenset[str]) -> Evaluate:
    """Compile the type of a choice, which is in the name that its value has."""
    child, anything = _choice(chosen), _choice(every)

    def holds(values: Values) -> Values:
        return EMPTY if not anything(values) else TRUE if child(values) else FALSE

    find = child if operator == "as" else holds
    if before is None:
        return lambda this, around: find(this)
    return lambda this, around: find(before(this, around))


def _resolved_as(operator: str, source: Evaluate, kind: str, names: Names) -> Evaluate:
    """Compile the type of what a reference leads to: a literal one says it even when its target is not at hand."""
    matches = _of_type(kind, names)

    def evaluate(this: Values, around: Around) -> Values:
        found: Values = []
        for value in source(this, around):
            target = calls.target(value, around)
            if target is None:
                told = value.get("reference") if type(value) is dict else value
                match = LITERAL_REFERENCE(told) if type(told) is str else None
                target = None if match is None else {"resourceType": match.group(1)}
            if target is None:
                around.unknown = True
            else:
                found.append(target)
        if operator == "as":
            return [value for value in found if matches(value)]
        return [matches(value) for value in found[:1]]

    return evaluate


def _of_type(kind: str, names: Names) -> Callable[[Any], bool]:
    if kind in names.resources:
        return lambda value: type(value) is dict and value.get("resourceType") == kind
    if kind in SYSTEM_TYPES:
        kinds = SYSTEM_TYPES[kind]
        return lambda value: type(value) in kinds
    if kind in ("Resource", "DomainResource"):
        return lambda value: type(value) is dict and "resourceType" in value
    raise Unsupported(f"JSON does not tell whether a value is a {kind}")


def _moved(dates: Evaluate, by: Duration, sign: int) -> Evaluate:
    """Compile `date + 24 hours`."""

    def evaluate(this: Values, around: Around) -> Values:
        found = dates(this, around)
        text = moved(found[0], by, sign) if len(found) == 1 and type(found[0]) is str else None
        return EMPTY if text is None else [text]

    return evaluate


def _binary(operator: str, left: Node, right: Node, names: Names) -> Evaluate:
    one, other = _node(left, names), _node(right, names)
    match operator:
        case "and" | "or" | "implies" | "xor":
            return calls.logic(operator, one, other)
        case "=" if isinstance(right, Literal) and isinstance(right.value, str) and not functions.TEMPORAL(right.value):
            return calls.equals_text(one, right.value)
        case "=":
            return lambda this, around: boolean(functions.equal(one(this, around), other(this, around)))
        case "!=":
            return lambda this, around: functions.negation(
                boolean(functions.equal(one(this, around), other(this, around)))
            )
        case "~":
            return lambda this, around: boolean(functions.equivalent(one(this, around), other(this, around)))
        case "!~":
            return lambda this, around: boolean(not functions.equivalent(one(this, around), other(this, around)))
        case "<" | ">" | "<=" | ">=":
            return calls.comparison(operator, one, other)
        case "|":
            return lambda this, around: functions.distinct([*one(this, around), *other(this, around)])
        case "in":
            return lambda this, around: functions.within(one(this, around), other(this, around))
        case "contains":
            return lambda this, around: functions.within(other(this, around), one(this, around))
        case "&":
            return lambda this, around: [functions.concatenated(one(this, around), other(this, around))]
        case _:
            return lambda this, around: functions.arithmetic(operator, one(this, around), other(this, around))


def _function(name: str, arguments: tuple[Node, ...], names: Names) -> Function:
    if name in PLAIN and (not arguments or name == "trace"):
        plain = PLAIN[name]
        return lambda values, this, around: plain(values)
    if len(arguments) == 1 and name in ONE_ARGUMENT:
        return _with_argument(name, _node(arguments[0], names))
    match name, arguments:
        case (("where" | "all" | "exists" | "select"), (criterion,)):
            return _iteration(name, criterion, names)
        case "matches", (Literal(str(pattern)),):
            return calls.matching(pattern)
        case "extension", (Literal(str(url)),):
            return calls.extension(url)
        case "iif", (condition, then, *rest):
            return calls.iif(_node(condition, names), _node(then, names), _node(rest[0], names) if rest else None)
        case "substring", (start, *rest):
            return calls.substring(_node(start, names), _node(rest[0], names) if rest else None)
        case "repeat", (projection,):
            return calls.repeat(_node(projection, names))
        case (("is" | "as" | "ofType"), (kind,)):
            matches = _of_type(type_name(kind), names)
            if name == "is":
                return lambda values, this, around: [matches(value) for value in values[:1]]
            return lambda values, this, around: [value for value in values if matches(value)]
        case _:
            return _of_fhir(name, arguments)


def _with_argument(name: str, argument: Evaluate) -> Function:
    """Compile a function of text, of numbers or of collections with one argument."""
    if name in functions.TEXTUAL:
        return calls.textual(functions.TEXTUAL[name], argument)
    if name in conversions.NUMERIC:
        return calls.numeric(conversions.NUMERIC[name], argument)
    pair = functions.PAIRS[name]
    return lambda values, this, around: pair(values, argument(this, around))


def _of_fhir(name: str, arguments: tuple[Node, ...]) -> Function:
    """Compile a function that FHIR adds, or one of text (https://hl7.org/fhir/R4/fhirpath.html#functions)."""
    match name, arguments:
        case "today", ():
            return lambda values, this, around: EMPTY if around.today is None else [around.today]
        case "resolve", ():
            return calls.resolve
        case "memberOf", (Literal(str(value_set)),):
            return calls.asking(
                lambda value, around: None if around.belongs is None else around.belongs(value, value_set)
            )
        case "conformsTo", (Literal(str(profile)),):
            return calls.asking(
                lambda value, around: None if around.conforms is None else around.conforms(value, profile)
            )
        case "replace", (Literal(str(old)), Literal(str(new))):
            return calls.of_text(lambda text: text.replace(old, new) if old else new.join(["", *text, ""]))
        case "join", ():
            return lambda values, this, around: calls.joined(values, "")
        case "join", (Literal(str(separator)),):
            return lambda values, this, around: calls.joined(values, separator)
        case "round", ():
            return lambda values, this, around: conversions.rounded(values[0], 0) if len(values) == 1 else EMPTY
        case "replaceMatches", (Literal(str(pattern)), Literal(str(text))):
            return calls.replace_matches(pattern, text)
        case _:
            raise Unsupported(f"the function {name} with {len(arguments)} arguments")


def _iteration(name: str, criterion: Node, names: Names) -> Function:
    if name == "select":
        projection = _node(criterion, names)
        return lambda values, this, around: [found for value in values for found in projection([value], around)]
    holds = _node(criterion, names)

    def test(value: Any, around: Around) -> bool:
        return logical(holds([value], around)) is True

    if name == "where":
        return lambda values, this, around: [value for value in values if test(value, around)]
    decide = all if name == "all" else any
    return lambda values, this, around: boolean(decide(test(value, around) for value in values))
