"""A fixed set of numbered resources for the search tests: `p0` is Patient number 0, `i3` Immunization number 3.

https://hl7.org/fhir/R4/search.html
"""

from typing import Any

from tests.http.serving import bundle, entry

Json = dict[str, Any]

CCCD = "http://fhir.hl7.org.vn/core/sid/cccd"
MRN = "http://bv.example/mrn"
CVX = "http://hl7.org/fhir/sid/cvx"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
SCT = "http://snomed.info/sct"
V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"

LETTERS = {
    "Organization": "o",
    "Patient": "p",
    "Immunization": "i",
    "Observation": "b",
    "RiskAssessment": "k",
    "Encounter": "e",
    "Questionnaire": "q",
}


def _concept(system: str, *codes: str) -> Json:
    return {"coding": [{"system": system, "code": code} for code in codes]}


def _patient(n: int) -> Json:
    return {"reference": f"Patient/p{n}"}


def _quantity(value: float, code: str, **more: Any) -> Json:
    return {"value": value, "unit": code, "system": UCUM, "code": code, **more}


ORGANIZATIONS: list[Json] = [
    {"name": "Trạm Y tế phường Ba Đình", "identifier": [{"system": "http://kcb.example", "value": "01001"}]},
    {"name": "Bệnh viện Đa khoa Đồng Nai", "partOf": {"reference": "Organization/o0"}, "active": True},
]

PATIENTS: list[Json] = [
    {
        "identifier": [{"system": CCCD, "value": "001194000001"}],
        "active": True,
        "name": [{"text": "Nguyễn Thị Đào", "family": "Nguyễn", "given": ["Thị", "Đào"]}],
        "telecom": [{"system": "phone", "value": "0912345678"}, {"system": "email", "value": "Dao@bv.example"}],
        "gender": "female",
        "birthDate": "1994-03-21",
        "address": [{"text": "Số 12, phố Hoa Sữa, phường Ba Đình", "city": "Hà Nội"}],
        "managingOrganization": {"reference": "Organization/o0"},
    },
    {
        "identifier": [{"system": CCCD, "value": "001225000012"}],
        "active": True,
        "name": [{"text": "Nguyễn Minh An", "family": "Nguyễn", "given": ["Minh", "An"]}],
        "gender": "male",
        "birthDate": "2025-08-12",
        "generalPractitioner": [{"identifier": {"system": "http://bs.example", "value": "7"}}],
        "managingOrganization": {"reference": "Organization/o1"},
    },
    {
        "identifier": [{"type": _concept(V2_0203, "MR"), "system": MRN, "value": "446053"}],
        "active": False,
        "name": [{"family": "Trần", "given": ["Văn", "Đạo"]}],
        "gender": "male",
        "birthDate": "1950",
        "deceasedBoolean": False,
    },
    {
        "identifier": [{"value": "no-system"}, {"system": MRN, "value": "a,b|c$d\\e"}],
        "name": [{"text": "O'Neil, Ann Bé"}],
        "birthDate": "2025-08",
    },
    {
        "meta": {
            "tag": [{"system": "http://example.org/tags", "code": "cho-xem-lai"}],
            "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}],
            "source": "http://bv.example/feed",
            "profile": ["http://hl7.org/fhir/StructureDefinition/Patient"],
        },
        "gender": "other",
        "deceasedBoolean": True,
    },
]

IMMUNIZATIONS: list[Json] = [
    {
        "status": "completed",
        "vaccineCode": _concept(CVX, "208"),
        "patient": _patient(0),
        "occurrenceDateTime": "2021-08-14",
        "lotNumber": "AB-1",
        "performer": [{"actor": {"reference": "Organization/o0"}}],
        "protocolApplied": [{"targetDisease": [_concept(SCT, "840539006")], "doseNumberPositiveInt": 1}],
    },
    {
        "status": "completed",
        "vaccineCode": _concept(CVX, "08"),
        "patient": _patient(1),
        "occurrenceDateTime": "2025-08-12T09:30:00+07:00",
        "lotNumber": "HB-2025-01",
        "protocolApplied": [
            {"series": "Viêm gan B", "targetDisease": [_concept(SCT, "66071002")], "doseNumberString": "sơ sinh"}
        ],
    },
    {
        "status": "completed",
        "vaccineCode": _concept(CVX, "19"),
        "patient": _patient(1),
        "occurrenceDateTime": "2025-08-20T23:30:00Z",
        "lotNumber": "bcg-7",
    },
    {
        "status": "not-done",
        "statusReason": _concept("http://terminology.hl7.org/CodeSystem/v3-ActReason", "MEDPREC"),
        "vaccineCode": _concept(CVX, "208", "212"),
        "patient": _patient(2),
        "occurrenceDateTime": "2024-02-29",
    },
    {
        "status": "entered-in-error",
        "vaccineCode": {"text": "vắc xin dại"},
        "patient": {"identifier": {"system": CCCD, "value": "001194000001"}},
        "occurrenceDateTime": "2024-02",
    },
]

TEMPERATURE, WEIGHT = _concept(LOINC, "8310-5"), _concept(LOINC, "29463-7")
SYSTOLIC, DIASTOLIC = _concept(LOINC, "8480-6"), _concept(LOINC, "8462-4")

OBSERVATIONS: list[Json] = [
    {"code": TEMPERATURE, "subject": _patient(1), "valueQuantity": _quantity(38.5, "Cel")},
    {"code": TEMPERATURE, "subject": _patient(0), "valueQuantity": _quantity(37.0, "Cel")},
    {"code": WEIGHT, "subject": _patient(1), "valueQuantity": _quantity(3.25, "kg")},
    {"code": TEMPERATURE, "subject": _patient(2), "valueQuantity": _quantity(35, "Cel", comparator="<")},
    {
        "code": _concept(LOINC, "85354-9"),
        "subject": _patient(0),
        "component": [
            {"code": SYSTOLIC, "valueQuantity": _quantity(110, "mm[Hg]")},
            {"code": DIASTOLIC, "valueQuantity": _quantity(70, "mm[Hg]")},
        ],
    },
]

RISKS: list[Json] = [
    {"prediction": [{"probabilityDecimal": 0.8}]},
    {"prediction": [{"probabilityDecimal": 0.1}]},
    {"prediction": [{"probabilityDecimal": 0.01}]},
    {"prediction": [{"probabilityRange": {"low": {"value": 0.1}, "high": {"value": 0.3}}}]},
]

ENCOUNTERS: list[Json] = [
    {"period": {"start": "2025-08-12T08:00:00+07:00", "end": "2025-08-12T10:00:00+07:00"}},
    {"period": {"start": "2025-08-13"}},
    {"period": {"end": "2025-08-11"}},
]

QUESTIONNAIRES: list[Json] = [
    {"url": "http://example.org/fhir/Questionnaire/before", "title": "Khám sàng lọc"},
    {"url": "http://example.org/fhir/Questionnaire/before/child", "title": "Khám sàng lọc trẻ em"},
]

FIXED: dict[str, Json] = {
    "Observation": {"status": "final"},
    "RiskAssessment": {"status": "final", "subject": _patient(0)},
    "Encounter": {"status": "finished", "class": {"code": "AMB"}, "subject": _patient(1)},
    "Questionnaire": {"status": "active"},
}

EXAMPLES: dict[str, list[Json]] = {
    "Organization": ORGANIZATIONS,
    "Patient": PATIENTS,
    "Immunization": IMMUNIZATIONS,
    "Observation": OBSERVATIONS,
    "RiskAssessment": RISKS,
    "Encounter": ENCOUNTERS,
    "Questionnaire": QUESTIONNAIRES,
}


def resources() -> list[Json]:
    """Return all of them with their ids."""
    return [
        {"resourceType": type, "id": f"{LETTERS[type]}{n}", **FIXED.get(type, {}), **content}
        for type, rows in EXAMPLES.items()
        for n, content in enumerate(rows)
    ]


def transaction() -> Json:
    """Return the Bundle that stores all of them."""
    rows = (entry("PUT", f"{resource['resourceType']}/{resource['id']}", resource) for resource in resources())
    return bundle("transaction", *rows)
