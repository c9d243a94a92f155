"""What requests are made of: resources, patches, hostile values, parameters and headers.

https://hl7.org/fhir/R4/http.html
"""

from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.definitions import Definitions, core_facts
from fhir_server.search.parameters import Catalogue
from tests.http.serving import PATIENT, dose

Json = dict[str, Any]

DEFINITIONS = Definitions(core_facts())
CATALOGUE = Catalogue(DEFINITIONS, "http://127.0.0.1/fhir", ZoneInfo("Asia/Ho_Chi_Minh"))
IDS = ["a", "b", "c", "none", "A.b-1"]
FILTER = {"property": "concept", "op": "is-a", "value": "a"}
ELEMENT = {"code": "a", "target": [{"code": "b", "equivalence": "wider"}]}
SEEDS: list[Json] = [
    {**PATIENT, "id": "a"},
    dose("Patient/a", id="b"),
    {"resourceType": "Organization", "id": "c", "name": "Trạm y tế", "partOf": {"reference": "Organization/a"}},
    {"resourceType": "List", "id": "a", "status": "current", "mode": "working"},
    {
        "resourceType": "Basic",
        "id": "a",
        "code": {"text": "x"},
        "subject": {"reference": "#p"},
        "contained": [{**PATIENT, "id": "p"}],
    },
    {"resourceType": "Binary", "id": "a", "contentType": "text/plain", "data": "aGk="},
    {
        "resourceType": "ValueSet",
        "id": "a",
        "status": "active",
        "url": "http://example.org/vs",
        "compose": {"include": [{"system": "http://example.org/cs", "filter": [FILTER]}]},
    },
    {
        "resourceType": "CodeSystem",
        "id": "a",
        "status": "active",
        "url": "http://example.org/cs",
        "content": "complete",
        "concept": [{"code": "a", "display": "A", "concept": [{"code": "b"}]}],
    },
    {
        "resourceType": "ConceptMap",
        "id": "a",
        "status": "active",
        "url": "http://example.org/cm",
        "group": [{"source": "http://example.org/cs", "target": "http://example.org/cs", "element": [ELEMENT]}],
    },
    {
        "resourceType": "SearchParameter",
        "id": "a",
        "url": "http://example.org/sp",
        "name": "Nick",
        "status": "active",
        "description": "x",
        "code": "nick",
        "base": ["Patient"],
        "type": "string",
        "expression": "Patient.name.where(use = 'nickname').text",
    },
    {
        "resourceType": "StructureDefinition",
        "id": "a",
        "url": "http://example.org/sd",
        "name": "Named",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "derivation": "constraint",
        "differential": {"element": [{"id": "Patient.name", "path": "Patient.name", "min": 1}]},
    },
    {"resourceType": "Observation", "id": "a", "status": "final", "code": {"text": "x"}, "valueInteger": 1},
    {"resourceType": "Parameters", "id": "a", "parameter": [{"name": "x", "valueString": "y"}]},
    {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "invalid"}]},
]
TYPES = [*dict.fromkeys(seed["resourceType"] for seed in SEEDS), "Immunization", "AdverseEvent", "Bundle", "Encounter"]
JSON_PATCHES: list[Any] = [
    [{"op": "add", "path": "/active", "value": True}],
    [{"op": "replace", "path": "/name/0/family", "value": "Trần"}, {"op": "test", "path": "/gender", "value": "male"}],
    [{"op": "move", "from": "/name", "path": "/identifier"}],
    [{"op": "remove", "path": ""}],
    [{"op": "copy", "from": "/identifier/0", "path": "/identifier/-"}],
]
PART: list[Json] = [{"name": "type", "valueCode": "replace"}, {"name": "path", "valueString": "Patient.birthDate"}]
FHIRPATH_PATCH: Json = {
    "resourceType": "Parameters",
    "parameter": [{"name": "operation", "part": [*PART, {"name": "value", "valueDate": "2024-01-01"}]}],
}
DEEP: Any = "x"
for _ in range(200):
    DEEP = [DEEP]
HOSTILE: list[Any] = [
    *(None, True, 0, -1, 1.5, 10**30, "", " ", "\x00", "\ud800", "x" * 3000, [], {}, [[]], [{}], [None], DEEP),
    *(
        "urn:uuid:1",
        "Patient?identifier=1",
        "Patient?x=1",
        "#x",
        "http://[",
        "2024-13-45",
        "0000",
        "$",
        "\\|,",
        "Patient/a",
    ),
    *({"reference": 5}, {"resourceType": "Patient"}, {"resourceType": 1}, {"value": {"value": 1}}, {"extension": [{}]}),
]
RAW = [
    *(
        b"",
        b"{",
        b"nul",
        b"\xff\xfe{}",
        b"[" * 3000,
        b'{"a":' * 3000,
        b"1e999999999",
        b"NaN",
        b"-",
        b'"\\ud800"',
        b"[]",
    ),
    *(b'{"resourceType":"Patient","resourceType":"Patient"}', b'\xef\xbb\xbf{"resourceType":"Patient"}', b"null", b"0"),
    *(b'{"resourceType":"Bundle","type":"transaction","entry":null}', b"name=a&name=b", b"name=%ff", b"\x1f\x8b", b"%"),
]
VALUES = [
    *(
        "a",
        "a,b",
        "a|b",
        "|",
        "|a",
        "a|",
        "Patient/a",
        "http://x/Patient/a",
        "2024",
        "ge2024-02-30",
        "1",
        "lt1.50",
        "1||mg",
    ),
    *(
        "true",
        "",
        "\\",
        "\\,",
        "%",
        "é",
        "\x00",
        "*",
        "$",
        "-1",
        "9" * 40,
        "x" * 5000,
        "ap2024-01-01T00:00:00Z",
        "none",
        "1e9",
    ),
    *(
        "Patient",
        "Patient:organization",
        "Immunization:patient",
        "_id",
        "-date,_id",
        "text",
        "name eq 'a'",
        "not(a)",
        "http://example.org/vs",
        "http://example.org/cs|a",
        "10.5|106.7|5|km",
        "count",
    ),
]
MODIFIERS = [
    "",
    "",
    "",
    ":missing",
    ":exact",
    ":not",
    ":text",
    ":in",
    ":above",
    ":identifier",
    ":Patient",
    ":of-type",
    ":x",
    ":",
]
RESULT = [
    *(
        "_id",
        "_lastUpdated",
        "_tag",
        "_profile",
        "_security",
        "_source",
        "_has:Immunization:patient:date",
        "_list",
        "_filter",
    ),
    *("_sort", "_count", "_include", "_revinclude", "_total", "_summary", "_elements", "_type", "_explain", "_cursor"),
    *(
        "_format",
        "_pretty",
        "_since",
        "_at",
        "mode",
        "profile",
        "patient.name",
        "subject:Patient.name",
        "_text",
        "_contained",
        *("url", "code", "system", "filter", "count", "offset", "codeA", "codeB", "identifier", "date"),
    ),
]
HEADERS: dict[str, list[str]] = {
    "accept": [
        "application/fhir+json",
        "*/*",
        "application/json;q=0.1, text/html",
        "text/html",
        ";;;",
        "a/b;q=x",
        "\xe9",
    ],
    "content-type": [
        *("application/fhir+json", "application/fhir+json", "application/fhir+json", "application/json-patch+json"),
        *(
            "application/x-www-form-urlencoded",
            "text/plain",
            "application/fhir+json; charset=latin-1",
            "",
            "application/fhir+xml",
        ),
    ],
    "prefer": ["return=minimal", "return=OperationOutcome", "handling=lenient", "return=x; handling=strict", "\xff"],
    "if-match": ['W/"1"', '"2"', "*", "x", 'W/"99999999999999"', ""],
    "if-none-match": ["*", 'W/"1"', "x", ""],
    "if-none-exist": ["identifier=1", "", "?", "x=1", "name=a&name=b", "Patient?identifier=a|b", "%ff"],
    "if-modified-since": ["Sat, 22 Nov 2026 00:00:00 GMT", "x", "2026-11-22", "Sat, 99 Nov 99999 00:00:00 GMT", "0"],
    "accept-language": ["vi", "en;q=0", "x;q=9", ",,,", "\xe9"],
    "content-encoding": ["identity", "gzip", "br"],
    "accept-encoding": ["gzip", "identity;q=0", "*;q=0"],
}
