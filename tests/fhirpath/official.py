"""The public R4 test suite of FHIRPath: its cases, and how an answer is compared with the one expected.

https://github.com/FHIR/fhir-test-cases (Apache-2.0) · Maven artifact org.hl7.fhir.testcases:fhir-test-cases
"""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, NamedTuple
from xml.etree import ElementTree
from zipfile import ZipFile

from fhir_server import wire
from fhir_server.definitions import Definitions
from fhir_server.fhirpath import evaluation
from fhir_server.fhirpath.around import Around
from fhir_server.fhirpath.names import names
from fhir_server.fhirpath.syntax import Unsupported

ROOT = "org/hl7/fhir/testcases/r4"
Verdict = Literal["agrees", "refused", "differs"]


class Case(NamedTuple):
    """An expression on a resource, and the values that it yields; None: it is not valid."""

    name: str
    group: str
    expression: str
    resource: dict[str, Any]
    expected: tuple[tuple[str, str], ...] | None  # type, text


def cases(archive: ZipFile) -> Iterator[Case]:
    """Yield the cases whose resource the archive has in JSON."""
    files = set(archive.namelist())
    suite = ElementTree.fromstring(archive.read(f"{ROOT}/fhirpath/tests-fhir-r4.xml"))
    for group in suite.iter("group"):
        for test in group.iter("test"):
            stem = str(test.get("inputfile", "patient-example.xml")).rpartition(".")[0]
            file = next((name for name in (f"{ROOT}/examples/{stem}.json", f"{ROOT}/{stem}.json") if name in files), "")
            expression = test.find("expression")
            if not file or expression is None:
                continue
            outputs = tuple((str(row.get("type")), row.text or "") for row in test.iter("output"))
            invalid = expression.get("invalid") is not None
            resource = wire.loads(archive.read(file))
            name = str(test.get("name"))
            yield Case(name, str(group.get("name")), expression.text or "", resource, None if invalid else outputs)


def verdict(case: Case, definitions: Definitions) -> Verdict:
    """Return whether the evaluator agrees with the case, refuses the expression, or answers otherwise."""
    try:
        compiled = evaluation.compile(case.expression, names(definitions, str(case.resource["resourceType"])))
    except Unsupported:
        return "agrees" if case.expected is None else "refused"
    found = compiled([case.resource], Around(case.resource, today="2026-11-22"))
    if case.expected is None:
        return "agrees" if not found else "differs"  # what is no error here is empty
    if len(found) != len(case.expected):
        return "differs"
    same = all(_same(value, *wanted) for value, wanted in zip(found, case.expected, strict=True))
    return "agrees" if same else "differs"


def _same(value: Any, type: str, text: str) -> bool:
    if isinstance(value, bool):
        return text == str(value).lower()
    if isinstance(value, str):
        return value == text.removeprefix("@").removeprefix("T") or value == text
    if isinstance(value, int | Decimal):
        try:
            return Decimal(text) == value
        except InvalidOperation:
            return False
    return isinstance(value, dict)  # of objects the suite gives no content that JSON could be compared with
