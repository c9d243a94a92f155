"""One accepted instance of every profile of the programme: what the tables of rules start from."""

from copy import deepcopy
from typing import Any

Resource = dict[str, Any]

CORE, OWN, HL7 = "http://fhir.hl7.org.vn/core", "https://fhir.tiemchung.vn", "http://terminology.hl7.org/CodeSystem"
R4, LOINC, SNOMED = "http://hl7.org/fhir/StructureDefinition", "http://loinc.org", "http://snomed.info/sct"
CCCD, BHYT, CMND = f"{CORE}/sid/cccd", f"{CORE}/sid/bhyt", f"{CORE}/sid/cmnd"
PASSPORT, NUMBER = f"{CORE}/sid/passport", f"{OWN}/sid/ma-tiem-chung"
FACILITY, GLN, LICENCE = f"{CORE}/sid/ma-cskcb", "https://www.gs1.org/gln", f"{CORE}/sid/cchn"
PRODUCT, CVX = f"{OWN}/CodeSystem/vaccine-product", "http://hl7.org/fhir/sid/cvx"
PROGRAMME_TYPE = f"{CORE}/StructureDefinition/vn-ext-immunization-program-type"
UNKNOWN = {"extension": [{"url": f"{R4}/data-absent-reason", "valueCode": "temp-unknown"}]}


def own(id: str) -> str:
    """Return the URL of a definition of the programme."""
    return f"{OWN}/StructureDefinition/vn-imm-{id}"


def coded(system: str, code: str) -> Resource:
    """Return a CodeableConcept."""
    return {"coding": [{"system": system, "code": code}]}


def without(resource: Resource, *names: str) -> Resource:
    """Return a copy of `resource` without these properties."""
    return {name: value for name, value in deepcopy(resource).items() if name not in names}


UNITS = [
    {
        "url": f"{CORE}/StructureDefinition/vn-ext-province",
        "valueCoding": {"system": f"{CORE}/CodeSystem/vn-province-cs", "code": "01"},
    },
    {
        "url": f"{CORE}/StructureDefinition/vn-ext-ward",
        "valueCoding": {"system": f"{CORE}/CodeSystem/vn-ward-cs", "code": "00004"},
    },
]
PLACE = {"extension": UNITS, "country": "VN"}
ETHNICITY = {
    "url": f"{CORE}/StructureDefinition/vn-ext-ethnicity",
    "valueCodeableConcept": coded(f"{CORE}/CodeSystem/vn-ethnicity-cs", "01"),
}
ORIGINS = [
    {"url": url, "valueAddress": PLACE}
    for url in (f"{R4}/patient-birthPlace", own("ext-birth-registration"), own("ext-native-place"))
]
PATIENT: Resource = {
    "resourceType": "Patient",
    "meta": {"profile": [own("patient")]},
    "extension": [ETHNICITY, *ORIGINS],
    "identifier": [{"system": CCCD, "value": "001085012345"}],
    "name": [{"text": "Nguyễn Văn An", "family": "Nguyễn", "given": ["Văn", "An"]}],
    "gender": "male",
    "birthDate": "1985-03-15",
    "address": [{**PLACE, "use": "home", "type": "both"}],
}
DOSE: Resource = {
    "resourceType": "Immunization",
    "meta": {"profile": [own("immunization")]},
    "extension": [{"url": PROGRAMME_TYPE, "valueCode": "tcmr"}],
    "status": "completed",
    "vaccineCode": {"coding": [{"system": PRODUCT, "code": "bcg-ivac"}, {"system": CVX, "code": "19"}], "text": "BCG"},
    "patient": {"reference": "Patient/an"},
    "occurrenceDateTime": "2026-03-20T08:00:00+07:00",
    "recorded": "2026-03-20T08:05:00+07:00",
    "primarySource": True,
    "lotNumber": "BCG-01",
    "expirationDate": "2027-12-31",
    "site": coded(f"{HL7}/v3-ActSite", "LA"),
    "route": coded(f"{HL7}/v3-RouteOfAdministration", "IDINJ"),
    "performer": [{"actor": {"reference": "Practitioner/hoa"}}, {"actor": {"reference": "Organization/tyt"}}],
    "fundingSource": coded(f"{CORE}/CodeSystem/vn-immunization-funding-source-cs", "ngan-sach"),
    "protocolApplied": [{"targetDisease": [coded(SNOMED, "56717001")], "doseNumberPositiveInt": 1}],
}


def forecast(code: str, day: str) -> Resource:
    """Return a date of a recommendation by its LOINC code."""
    return {"code": coded(LOINC, code), "value": day}


SERIES: Resource = {
    "vaccineCode": [coded(PRODUCT, "mrvac")],
    "targetDisease": coded(SNOMED, "14189004"),
    "forecastStatus": coded(f"{HL7}/immunization-recommendation-status", "due"),
    "dateCriterion": [
        forecast("30981-5", "2026-10-01"),
        forecast("30980-7", "2026-11-01"),
        forecast("59777-3", "2027-11-01"),
    ],
    "doseNumberPositiveInt": 2,
}
RECOMMENDATION: Resource = {
    "resourceType": "ImmunizationRecommendation",
    "meta": {"profile": [own("recommendation")]},
    "patient": {"reference": "Patient/an"},
    "date": "2026-11-01",
    "authority": {"reference": "Organization/cdc"},
    "recommendation": [SERIES],
}
MEDICATION: Resource = {
    "resourceType": "Medication",
    "meta": {"profile": [own("medication")]},
    "code": coded(PRODUCT, "bcg-ivac"),
    "batch": {"lotNumber": "BCG-01", "expirationDate": "2027-12-31"},
}
SERIOUS, MINOR = (coded(f"{HL7}/adverse-event-seriousness", code) for code in ("Serious", "Non-serious"))


def reason(code: str) -> Resource:
    """Return the extension that says why an event is serious."""
    return {
        "url": own("ext-seriousness-reason"),
        "valueCodeableConcept": coded(f"{OWN}/CodeSystem/aefi-seriousness-reason", code),
    }


def told(time: str) -> Resource:
    """Return the extension that says when the authorities were told."""
    return {"url": own("ext-notified"), "valueDateTime": time}


EVENT: Resource = {
    "resourceType": "AdverseEvent",
    "meta": {"profile": [own("adverse-event")]},
    "extension": [reason("hospitalisation"), told("2026-03-21T08:30:00+07:00")],
    "actuality": "actual",
    "event": coded(f"{OWN}/CodeSystem/aefi-term", "anaphylaxis"),
    "subject": {"reference": "Patient/an"},
    "date": "2026-03-20T08:20:00+07:00",
    "detected": "2026-03-20T08:30:00+07:00",
    "recordedDate": "2026-03-20T10:00:00+07:00",
    "seriousness": SERIOUS,
    "severity": coded(f"{HL7}/adverse-event-severity", "severe"),
    "outcome": coded(f"{HL7}/adverse-event-outcome", "recovering"),
    "recorder": {"reference": "Practitioner/hoa"},
    "suspectEntity": [
        {
            "instance": {"reference": "Immunization/bcg"},
            "causality": [{"assessment": coded(f"{OWN}/CodeSystem/aefi-causality", "A1")}],
        }
    ],
}
PRACTITIONER: Resource = {
    "resourceType": "Practitioner",
    "meta": {"profile": [own("practitioner")]},
    "identifier": [{"system": LICENCE, "value": "000123/HNO-CCHN"}],
    "name": [{"text": "Trần Thị Hoa"}],
}
ROLE: Resource = {
    "resourceType": "PractitionerRole",
    "meta": {"profile": [own("practitioner-role")]},
    "practitioner": {"reference": "Practitioner/hoa"},
    "organization": {"reference": "Organization/tyt"},
}
ORGANIZATION: Resource = {
    "resourceType": "Organization",
    "meta": {"profile": [own("organization")]},
    "identifier": [{"system": FACILITY, "value": "01001"}, {"system": GLN, "value": "8938505970004"}],
    "type": [coded(f"{OWN}/CodeSystem/facility-type", "TYT")],
    "name": "Trạm Y tế phường Ba Đình",
}
LOCATION: Resource = {
    "resourceType": "Location",
    "meta": {"profile": [own("location")]},
    "name": "Điểm tiêm chủng Ba Đình",
    "managingOrganization": {"reference": "Organization/tyt"},
}
MOTHER: Resource = {
    "resourceType": "RelatedPerson",
    "meta": {"profile": [own("related-person")]},
    "identifier": [{"system": CCCD, "value": "001194012345"}],
    "patient": {"reference": "Patient/an"},
    "relationship": [coded(f"{HL7}/v3-RoleCode", "MTH")],
    "name": [{"text": "Trần Thị Bích Hằng"}],
    "gender": "female",
    "birthDate": "1994-03-21",
}
BASES = (
    *(PATIENT, DOSE, RECOMMENDATION, MEDICATION, EVENT),
    *(PRACTITIONER, ROLE, ORGANIZATION, LOCATION, MOTHER),
)
