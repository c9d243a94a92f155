"""Each rule of the programme's profiles: one instance that it accepts and one that it refuses.

QĐ 3891/QĐ-BYT · TT 13/2026/TT-BYT · NĐ 137/2015/NĐ-CP · the regulation of each rule is part of the test's name
"""
# ruff: noqa: E501 (a table with one rule a line)

import re
from collections.abc import Iterator
from typing import Any

import pytest

import profiles
from fhir_server import wire
from fhir_server.definitions import Definitions
from fhir_server.validation import Validator
from tests.profiles.bases import (
    BASES,
    BHYT,
    CCCD,
    CMND,
    CORE,
    CVX,
    DOSE,
    ETHNICITY,
    EVENT,
    FACILITY,
    GLN,
    HL7,
    LICENCE,
    LOCATION,
    LOINC,
    MEDICATION,
    MINOR,
    MOTHER,
    NUMBER,
    ORGANIZATION,
    ORIGINS,
    OWN,
    PASSPORT,
    PATIENT,
    PLACE,
    PRACTITIONER,
    PRODUCT,
    PROGRAMME_TYPE,
    R4,
    RECOMMENDATION,
    ROLE,
    SERIES,
    SNOMED,
    UNITS,
    UNKNOWN,
    Resource,
    coded,
    forecast,
    own,
    reason,
    told,
)

Changes = dict[str, Any]
REGULATION = re.compile(r"(QĐ|NĐ|TT|Luật|NQ) [^,;:()]*|The NamingSystem \S+")
SAME: Changes = {}
TODAY = "2026-11-22"
NARROWED = ("AdverseEvent.subject", "AdverseEvent.suspectEntity.instance")  # to fewer types than R4 lets
TYPE = {"url": PROGRAMME_TYPE, "valueCode": "tcmr"}


def numbers(*pairs: tuple[str, str]) -> Changes:
    """Return the change of identifiers to the programme's own and these."""
    return {"identifier": [{"system": system, "value": value} for system, value in ((NUMBER, "TC1"), *pairs)]}


def added(base: Resource, *extensions: Resource) -> Changes:
    """Return the change that adds extensions."""
    return {"extension": [*base["extension"], *extensions]}


def status(code: str) -> Resource:
    """Return the extension with a subject's status."""
    return {"url": own("ext-subject-status"), "valueCode": code}


def worker(code: str) -> Resource:
    """Return the extension with an occupation."""
    occupation = coded(f"{OWN}/CodeSystem/occupation", code)
    return {"url": f"{CORE}/StructureDefinition/vn-ext-occupation", "valueCodeableConcept": occupation}


def mixed(time: str | None, lot: str | None = "DM-01") -> Resource:
    """Return the extension about the diluent."""
    parts: list[Resource] = [{"url": "lotNumber", "valueString": lot}] if lot else []
    parts += [{"url": "reconstituted", "valueDateTime": time}] if time else []
    return {"url": own("ext-reconstitution"), "extension": parts}


def brighton(level: str | None, definition: Resource | None) -> Resource:
    """Return the extension about the certainty of a diagnosis."""
    parts: list[Resource] = [{"url": "definition", "valueCodeableConcept": definition}] if definition else []
    parts += [{"url": "level", "valueCode": level}] if level else []
    return {"url": own("ext-brighton"), "extension": parts}


def old_unit(code: str, system: str | None = f"{OWN}/CodeSystem/commune-until-2025") -> Changes:
    """Return the change of address to a commune before 2025."""
    coding = {"code": code} | ({"system": system} if system else {})
    unit = {"url": own("ext-unit-before-2025"), "valueCoding": coding}
    return {"address": [{"extension": [unit], "use": "home", "type": "both"}]}


def series(**changes: Any) -> Changes:
    """Return the change of the one series of a recommendation."""
    return {"recommendation": [{name: value for name, value in {**SERIES, **changes}.items() if value is not None}]}


def applied(**changes: Any) -> Changes:
    """Return the change of the protocol of a dose."""
    return {
        "protocolApplied": [
            {name: value for name, value in {**DOSE["protocolApplied"][0], **changes}.items() if value is not None}
        ]
    }


def placed(*extensions: Resource) -> Changes:
    return {"extension": [ETHNICITY, *extensions]}


def suspected(time: str) -> Changes:
    """Return the change to an event, which began at 08:20, after a dose given at `time`."""
    given = {"resourceType": "Immunization", "id": "d", "occurrenceDateTime": time, "status": "completed"}
    dose = {**given, "vaccineCode": coded(CVX, "19"), "patient": {"reference": "Patient/an"}}
    return {"contained": [dose], "suspectEntity": [{"instance": {"reference": "#d"}}]}


def of_newborn(birth: str, time: str | None = None, **changes: Any) -> Changes:
    """Return the change to a dose against hepatitis B, given at 08:00 on 20/03/2026, of who was born on `birth`."""
    at = {"extension": [{"url": f"{R4}/patient-birthTime", "valueDateTime": time}]}
    child = {"resourceType": "Patient", "id": "c", "birthDate": birth} | ({"_birthDate": at} if time else {})
    hepatitis_b = [coded(SNOMED, "66071002")]
    return {
        "contained": [child],
        "patient": {"reference": "#c"},
        **applied(targetDisease=hepatitis_b),
        "vaccineCode": coded(CVX, "08"),
        **changes,
    }


def at_home(ward: str | None, province: str, former: str | None = None) -> Changes:
    """Return the change of address to these units."""
    units = [
        {
            "url": f"{CORE}/StructureDefinition/vn-ext-province",
            "valueCoding": {"system": f"{CORE}/CodeSystem/vn-province-cs", "code": province},
        }
    ]
    if ward:
        units.append(
            {
                "url": f"{CORE}/StructureDefinition/vn-ext-ward",
                "valueCoding": {"system": f"{CORE}/CodeSystem/vn-ward-cs", "code": ward},
            }
        )
    if former:
        units.append(
            {
                "url": own("ext-unit-before-2025"),
                "valueCoding": {"system": f"{OWN}/CodeSystem/commune-until-2025", "code": former},
            }
        )
    return {"address": [{"extension": units, "use": "home", "type": "both", "country": "VN"}]}


PAPER = {"primarySource": False, "reportOrigin": {"text": "Sổ tiêm chủng"}}
ANAPHYLAXIS = {"text": "Anaphylaxis (Vaccine 41:2605)"}
OLDER = {"use": "home", "type": "both", "country": "VN", "text": "Số 1, Hà Nội"}

# profile's instance, rule, what is accepted, what is refused
PAIRS: tuple[tuple[Resource, str, Changes, Changes], ...] = (
    # known by a number
    (PATIENT, "vn-imm-patient-identifier", {"identifier": [{"system": f"{OWN}/sid/giay-chung-sinh", "value": "GCS-7"}]}, {"identifier": [{"system": CCCD, "_value": UNKNOWN}]}),
    (PATIENT, "Patient.identifier.system:min", SAME, {"identifier": [*PATIENT["identifier"], {"value": "1"}]}),
    (PATIENT, "Patient.identifier:CCCD.value:min", {"identifier": [{"system": CCCD, "_value": UNKNOWN}, {"system": NUMBER, "value": "TC1"}]}, {"identifier": [{"system": CCCD}, {"system": NUMBER, "value": "TC1"}]}),
    (PATIENT, "vn-imm-cccd-place", numbers((CCCD, "101085012345")), numbers((CCCD, "003085012345"))),
    (PATIENT, "vn-imm-cccd-sex", {"gender": "other"}, {"gender": "female"}),
    (PATIENT, "vn-imm-cccd-birth", {"birthDate": "1985"}, {"birthDate": "1958-03-15"}),
    (PATIENT, "Patient.identifier:BHYT.value:min", numbers((BHYT, "0123456789")), {"identifier": [{"system": BHYT}, *PATIENT["identifier"]]}),
    (PATIENT, "vn-imm-bhyt-format", numbers((BHYT, "TE1010123456789")), numbers((BHYT, "TE10101234567"))),
    (PATIENT, "vn-imm-bhyt-card", numbers((BHYT, "TE5990123456789")), numbers((BHYT, "TE6010123456789"))),
    (PATIENT, "vn-imm-bhyt-is-cccd", numbers((CCCD, "001085012345"), (BHYT, "001085012345")), numbers((CCCD, "001085012345"), (BHYT, "001085012346"))),
    (PATIENT, "Patient.identifier:CMND.value:min", numbers((CMND, "012345678")), {"identifier": [*PATIENT["identifier"], {"system": CMND}]}),
    (PATIENT, "vn-imm-cmnd-format", numbers((CMND, "012345678901")), numbers((CMND, "0123456789"))),
    (PATIENT, "Patient.identifier:passport.value:min", numbers((PASSPORT, "C1234567")), {"identifier": [*PATIENT["identifier"], {"system": PASSPORT}]}),
    (PATIENT, "vn-imm-passport-format", numbers((PASSPORT, "X12345678")), numbers((PASSPORT, "c 1234567"))),
    (PATIENT, "Patient.identifier:programme.value:min", numbers(), {"identifier": [*PATIENT["identifier"], {"system": NUMBER}]}),
    (PATIENT, "vn-imm-programme-format", numbers(), {"identifier": [{"system": NUMBER, "value": "001085012345"}]}),
    (PATIENT, "vn-imm-temporary-number", {"identifier": [*PATIENT["identifier"], {"system": "http://bv.example/tam", "use": "temp", "value": "T00108501234"}]}, {"identifier": [*PATIENT["identifier"], {"system": "http://bv.example/tam", "use": "temp", "value": "001085012346"}]}),
    # the person
    (PATIENT, "vn-imm-name", {"name": [{"given": ["A"]}]}, {"name": [{"family": "Nguyễn"}]}),
    (PATIENT, "Patient.gender:min", {"gender": "unknown"}, {"gender": None}),
    (PATIENT, "Patient.birthDate:min", {"birthDate": None, "_birthDate": UNKNOWN}, {"birthDate": None}),
    (PATIENT, "vn-imm-born-already", {"birthDate": TODAY}, {"birthDate": "2026-11-23"}),
    (PATIENT, "vn-imm-deceased-after-birth", {"deceasedDateTime": "1985-03-15"}, {"deceasedDateTime": "1985-03-14"}),
    (PATIENT, "vn-imm-subject-status", {**added(PATIENT, status("2")), "deceasedDateTime": "2026-01-01"}, added(PATIENT, status("2"))),
    (PATIENT, "vn-imm-ext-subject-status Extension.value[x]:binding", added(PATIENT, status("3")), added(PATIENT, status("4"))),
    (PATIENT, "vn-imm-ext-education-level Extension.value[x]:binding", added(PATIENT, {"url": own("ext-education-level"), "valueCodeableConcept": coded(f"{OWN}/CodeSystem/education-level", "12")}), added(PATIENT, {"url": own("ext-education-level"), "valueCodeableConcept": coded(f"{OWN}/CodeSystem/education-level", "13")})),
    (PATIENT, "Patient.extension:occupation.value[x]:binding", added(PATIENT, worker("04")), added(PATIENT, worker("14"))),
    (PATIENT, "vn-imm-ethnicity", SAME, {"extension": ORIGINS}),
    (PATIENT, "vn-imm-address-permanent", {"address": [{"use": "home", "type": "both", "country": "LA"}]}, {"address": [{**PLACE, "use": "temp", "type": "both"}]}),
    (PATIENT, "vn-imm-address-current", {"address": [{**PLACE, "use": "home"}, {**PLACE, "use": "temp", "type": "physical"}]}, {"address": [{**PLACE, "use": "home"}]}),
    (PATIENT, "vn-imm-ext-unit-before-2025 Extension.value[x]:pattern", old_unit("00001"), old_unit("00004", f"{CORE}/CodeSystem/vn-ward-cs")),
    (PATIENT, "vn-imm-birth-place", SAME, placed(*ORIGINS[1:])),
    (PATIENT, "vn-imm-birth-registration", SAME, placed(ORIGINS[0], ORIGINS[2])),
    (PATIENT, "vn-imm-native-place", SAME, placed(*ORIGINS[:2], {"url": ORIGINS[2]["url"], "valueAddress": {"extension": UNITS[:1], "country": "VN"}})),
    # doses: when
    (DOSE, "vn-imm-given-already", {"occurrenceDateTime": f"{TODAY}T23:59:00+07:00"}, {"occurrenceDateTime": "2026-11-23"}),
    (DOSE, "vn-imm-not-in-the-future", {"recorded": "2026-03-20"}, {"recorded": "2026-03-19"}),
    (DOSE, "vn-imm-occurrence-day", {**PAPER, "occurrenceDateTime": "2026"}, {"occurrenceDateTime": "2026-03"}),
    (DOSE, "vn-imm-recorded", PAPER | {"recorded": None}, {"recorded": None}),
    (DOSE, "vn-imm-expired", {"expirationDate": "2026-03-20"}, {"expirationDate": "2026-03-19"}),
    (DOSE, "vn-imm-reconstituted-before", added(DOSE, mixed("2026-03-20T00:50:00Z")), added(DOSE, mixed("2026-03-20T08:30:00+07:00"))),
    (DOSE, "vn-imm-ext-reconstitution Extension.extension:lotNumber:min", added(DOSE, mixed(None)), added(DOSE, mixed("2026-03-20T07:50:00+07:00", lot=None))),
    (DOSE, "Immunization.occurrence[x]:type", SAME, {"occurrenceDateTime": None, "occurrenceString": "mùa xuân 2026"}),
    # doses: what
    (DOSE, "vn-imm-lot", {**PAPER, "lotNumber": None}, {"lotNumber": None}),
    (DOSE, "vn-imm-expiry", {**PAPER, "expirationDate": None}, {"expirationDate": None}),
    (DOSE, "vn-imm-product", {"vaccineCode": coded(CVX, "19"), "manufacturer": {"display": "IVAC"}}, {"vaccineCode": coded(CVX, "19")}),
    (DOSE, "Immunization.vaccineCode:binding", {"vaccineCode": {"coding": [*coded(PRODUCT, "bcg-ivac")["coding"], *coded("http://his.example", "B1")["coding"]]}}, {"vaccineCode": coded(PRODUCT, "bcg"), "manufacturer": {"display": "IVAC"}}),
    (DOSE, "vn-imm-not-done-reason", {"status": "not-done", "statusReason": coded(f"{HL7}/v3-ActReason", "OSTOCK")}, {"status": "not-done"}),
    (DOSE, "Immunization.extension:programType:min", {"extension": [TYPE | {"valueCode": "chien-dich"}]}, {"extension": None}),
    (DOSE, "Immunization.fundingSource:binding", {"fundingSource": {"text": "Dự án"}}, {"fundingSource": coded(f"{CORE}/CodeSystem/vn-immunization-funding-source-cs", "du-an")}),
    (DOSE, "Immunization.site:binding", {"site": coded(f"{HL7}/v3-ActSite", "RT")}, {"site": coded(f"{HL7}/v3-ActSite", "LEFT")}),
    (DOSE, "Immunization.route:binding", {"route": coded(f"{HL7}/v3-RouteOfAdministration", "PO")}, {"route": coded(f"{HL7}/v3-RouteOfAdministration", "ID")}),
    (DOSE, "Immunization.protocolApplied.targetDisease:min", applied(targetDisease=[{"text": "Lao"}]), applied(targetDisease=None)),
    (DOSE, "Immunization.protocolApplied.targetDisease:binding", applied(targetDisease=[coded("http://hl7.org/fhir/sid/icd-10", "B16")]), applied(targetDisease=[coded(SNOMED, "1")])),
    (DOSE, "Immunization.protocolApplied.doseNumber[x]:type", SAME, applied(doseNumberPositiveInt=None, doseNumberString="1")),
    # doses: who and from where
    (DOSE, "vn-imm-facility", {"performer": DOSE["performer"][:1], "location": {"reference": "Location/1"}}, {"performer": DOSE["performer"][:1]}),
    (DOSE, "vn-imm-person", {**PAPER, "performer": DOSE["performer"][1:]}, {"performer": DOSE["performer"][1:]}),
    (DOSE, "vn-imm-dose-order", {"status": "entered-in-error", "protocolApplied": None}, {"protocolApplied": None}),
    (DOSE, "vn-imm-origin", PAPER, {"primarySource": False}),
    # what comes next
    (RECOMMENDATION, "vn-imm-forecast-authority", SAME, {"authority": None}),
    (RECOMMENDATION, "vn-imm-forecast-date", series(forecastStatus=coded(f"{HL7}/immunization-recommendation-status", "complete"), dateCriterion=None), series(dateCriterion=[forecast("30981-5", "2026-10-01")])),
    (RECOMMENDATION, "vn-imm-forecast-order", series(dateCriterion=[forecast("30981-5", "2026-11-01"), forecast("30980-7", "2026-11-01")]), series(dateCriterion=[forecast("30980-7", "2026-11-01"), forecast("59777-3", "2026-10-31")])),
    (RECOMMENDATION, "ImmunizationRecommendation.recommendation.vaccineCode:binding", series(vaccineCode=[coded(CVX, "04")]), series(vaccineCode=[coded(CVX, "9999")])),
    (RECOMMENDATION, "ImmunizationRecommendation.recommendation.targetDisease:binding", SAME, series(targetDisease=coded(SNOMED, "1"))),
    (RECOMMENDATION, "ImmunizationRecommendation.recommendation.forecastStatus:binding", SAME, series(forecastStatus={"text": "đến lịch"})),
    (RECOMMENDATION, "ImmunizationRecommendation.recommendation.dateCriterion.code:binding", SAME, series(dateCriterion=[*SERIES["dateCriterion"], {"code": coded(LOINC, "1"), "value": "2026-11-01"}])),
    (RECOMMENDATION, "ImmunizationRecommendation.recommendation.doseNumber[x]:type", SAME, series(doseNumberPositiveInt=None, doseNumberString="2")),
    # lots
    (MEDICATION, "Medication.code:min", SAME, {"code": None}),
    (MEDICATION, "Medication.code:binding", {"code": coded(CVX, "19")}, {"code": coded(PRODUCT, "bcg")}),
    (MEDICATION, "Medication.batch:min", SAME, {"batch": None}),
    (MEDICATION, "Medication.batch.lotNumber:min", SAME, {"batch": {"expirationDate": "2027-12-31"}}),
    (MEDICATION, "Medication.batch.expirationDate:min", SAME, {"batch": {"lotNumber": "BCG-01"}}),
    # adverse events
    (EVENT, "vn-imm-aefi-order", {"detected": EVENT["date"]}, {"detected": "2026-03-20T08:19:59+07:00"}),
    (EVENT, "vn-imm-aefi-reason-serious", {"seriousness": MINOR, "extension": None}, {"seriousness": MINOR, "extension": [reason("other")]}),
    (EVENT, "vn-imm-aefi-serious-reason", SAME, {"extension": EVENT["extension"][1:]}),
    (EVENT, "vn-imm-aefi-death", {"extension": [reason("death"), EVENT["extension"][1]], "outcome": coded(f"{HL7}/adverse-event-outcome", "fatal")}, {"extension": [reason("death"), EVENT["extension"][1]]}),
    (EVENT, "vn-imm-aefi-notified", SAME, {"extension": EVENT["extension"][:1]}),
    (EVENT, "vn-imm-aefi-24-hours", {"extension": [reason("other"), told("2026-03-21T01:30:00Z")]}, {"extension": [reason("other"), told("2026-03-21T01:30:01Z")]}),
    (EVENT, "vn-imm-aefi-recorder", {"recorder": {"reference": "Patient/an"}}, {"recorder": None}),
    (EVENT, "vn-imm-ext-seriousness-reason Extension.value[x]:binding", SAME, {"extension": [reason("pain"), EVENT["extension"][1]]}),
    (EVENT, "vn-imm-ext-brighton Extension.extension:definition:min", added(EVENT, brighton("1", ANAPHYLAXIS)), added(EVENT, brighton("1", None))),
    (EVENT, "vn-imm-ext-brighton Extension.extension:level:min", added(EVENT, brighton("5", ANAPHYLAXIS)), added(EVENT, brighton(None, ANAPHYLAXIS))),
    (EVENT, "vn-imm-ext-brighton Extension.extension:level.value[x]:binding", added(EVENT, brighton("4", ANAPHYLAXIS)), added(EVENT, brighton("severe", ANAPHYLAXIS))),
    (EVENT, "AdverseEvent.actuality:fixed", SAME, {"actuality": "potential"}),
    (EVENT, "AdverseEvent.event:min", {"event": {"text": "Nổi mề đay"}}, {"event": None}),
    (EVENT, "AdverseEvent.event:binding", SAME, {"event": coded(f"{OWN}/CodeSystem/aefi-term", "shock")}),
    (EVENT, "AdverseEvent.subject:target", SAME, {"subject": {"reference": "Group/1"}}),
    (EVENT, "AdverseEvent.date:min", SAME, {"date": None}),
    (EVENT, "AdverseEvent.detected:min", SAME, {"detected": None}),
    (EVENT, "AdverseEvent.seriousness:min", SAME, {"seriousness": None, "extension": None}),
    (EVENT, "AdverseEvent.seriousness:binding", {"seriousness": coded(f"{HL7}/adverse-event-seriousness", "SeriousIsLifeThreatening")}, {"seriousness": coded(f"{HL7}/adverse-event-severity", "severe"), "extension": None}),
    (EVENT, "AdverseEvent.suspectEntity:min", SAME, {"suspectEntity": None}),
    (EVENT, "AdverseEvent.suspectEntity.instance:target", {"suspectEntity": [{"instance": {"reference": "Medication/lo"}}]}, {"suspectEntity": [{"instance": {"reference": "Device/1"}}]}),
    (EVENT, "AdverseEvent.suspectEntity.causality.assessment:binding", SAME, {"suspectEntity": [{"instance": {"reference": "Immunization/bcg"}, "causality": [{"assessment": coded(f"{OWN}/CodeSystem/aefi-causality", "E")}]}]}),
    (EVENT, "vn-imm-aefi-after-dose", suspected("2026-03-20T08:20:00+07:00"), suspected("2026-03-20T08:21:00+07:00")),
    (DOSE, "vn-imm-after-birth", of_newborn("2026-03-20"), of_newborn("2026-03-21")),
    (DOSE, "vn-imm-hepatitis-b-birth-dose", of_newborn("2026-03-19"), of_newborn("2026-03-18")),
    (PATIENT, "vn-imm-address-ward", at_home("00004", "01"), at_home("00004", "79")),
    (PATIENT, "vn-imm-address-former-commune", at_home(None, "01", "00001"), at_home(None, "15", "00001")),
    # people and places around
    (PRACTITIONER, "vn-imm-staff-licence", {"identifier": [{"system": f"{CORE}/sid/gphn", "value": "1"}]}, {"identifier": [{"system": "http://his.example/nv", "value": "1"}]}),
    (PRACTITIONER, "vn-imm-staff-cccd-format", {"identifier": [{"system": CCCD, "value": "001194012345"}]}, {"identifier": [{"system": CCCD, "value": "00119401234"}]}),
    (PRACTITIONER, "Practitioner.name:min", SAME, {"name": None}),
    (ROLE, "PractitionerRole.practitioner:min", SAME, {"practitioner": None}),
    (ROLE, "PractitionerRole.organization:min", SAME, {"organization": None}),
    (ORGANIZATION, "vn-imm-facility-code-format", {"identifier": [{"system": FACILITY, "value": "0100A"}]}, {"identifier": [{"system": FACILITY, "value": "1001"}]}),
    (ORGANIZATION, "vn-imm-gln-format", SAME, {"identifier": [{"system": GLN, "value": "893850597000"}]}),
    (ORGANIZATION, "vn-imm-gln-check-digit", SAME, {"identifier": [{"system": GLN, "value": "8938505970005"}]}),
    (ORGANIZATION, "Organization.identifier:GLN.value:min", SAME, {"identifier": [{"system": GLN}]}),
    (ORGANIZATION, "Organization.type:binding", {"type": [{"text": "Điểm tiêm lưu động"}]}, {"type": [coded(f"{OWN}/CodeSystem/facility-type", "XX")]}),
    (ORGANIZATION, "Organization.name:min", SAME, {"name": None}),
    (LOCATION, "Location.name:min", SAME, {"name": None}),
    (LOCATION, "Location.managingOrganization:min", SAME, {"managingOrganization": None}),
    (MOTHER, "vn-imm-related-cccd-format", {"identifier": [{"system": LICENCE, "value": "1"}]}, {"identifier": [{"system": CCCD, "value": "00119401234"}]}),
    (MOTHER, "vn-imm-related-cccd-place", SAME, {"identifier": [{"system": CCCD, "value": "097194012345"}]}),
    (MOTHER, "vn-imm-related-cccd-sex", SAME, {"gender": "male"}),
    (MOTHER, "vn-imm-related-cccd-birth", SAME, {"birthDate": "1995-03-21"}),
    (MOTHER, "vn-imm-related-reach", {"identifier": None, "name": None, "telecom": [{"value": "1"}]}, {"identifier": None, "name": None}),
    (MOTHER, "RelatedPerson.relationship:min", SAME, {"relationship": None}),
    (MOTHER, "RelatedPerson.relationship:binding", {"relationship": [{"text": "Cô giáo"}]}, {"relationship": [coded(f"{HL7}/v3-RoleCode", "MUM")]}),
)  # fmt: skip


def demands() -> Iterator[tuple[str, str, str]]:
    """Yield name, severity and regulation of every rule of the programme's profiles and of their extensions.

    The types of slices and of references that R4 has too are left out: they say what an element is, and only the
    store knows what a reference leads to.
    """
    for definition in profiles.resources("programme"):
        if definition["resourceType"] != "StructureDefinition" or definition["id"] == "vn-imm-ext-facts":
            continue
        prefix = f"{definition['id']} " if definition["type"] == "Extension" else ""
        for element in definition["differential"]["element"]:
            basis = element.get("requirements") or definition.get("purpose") or definition["description"]
            for constraint in element.get("constraint", ()):
                yield constraint["key"], constraint["severity"], constraint["requirements"]
            for kind, severity in kinds(element, bool(prefix)):
                yield f"{prefix}{element['id']}:{kind}", severity, basis


def kinds(element: Resource, in_extension: bool) -> Iterator[tuple[str, str]]:
    """Yield what an element demands beside its constraints, and how severe it is to break it."""
    structural = ":" in element["id"] and element["id"].endswith(".system")  # what tells a slice from the others
    structural |= in_extension and element["id"].endswith((".url", "value[x]"))
    if element.get("min") and not structural:
        yield "min", "error"
    if any(name.startswith("fixed") for name in element) and not structural:
        yield "fixed", "error"
    if any(name.startswith("pattern") for name in element):
        yield "pattern", "error"
    if element.get("binding", {}).get("strength") in ("required", "extensible"):
        yield "binding", "error" if element["binding"]["strength"] == "required" else "warning"
    if element["id"].endswith("[x]") and "type" in element and not in_extension:
        yield "type", "error"
    if element["id"] in NARROWED:
        yield "target", "error"


DEMANDS = {name: (severity, basis) for name, severity, basis in demands()}


def named(name: str) -> str:
    """Return the name of a test: the rule and its regulation."""
    found = REGULATION.search(DEMANDS[name][1]) if name in DEMANDS else None
    return f"{name} — {found[0].strip()}" if found else name


def changed(base: Resource, changes: Changes) -> Any:
    """Return the instance as the server reads it."""
    return wire.loads(wire.dumps({name: value for name, value in {**base, **changes}.items() if value is not None}))


def test_every_rule_of_the_programme_has_a_pair() -> None:
    assert {name for _, name, _, _ in PAIRS} == {name for name in DEMANDS if not name.endswith("system:min")} | {
        "Patient.identifier.system:min"
    }
    assert len({name for _, name, _, _ in PAIRS}) == len(PAIRS)


@pytest.mark.parametrize("name", [name for name in DEMANDS if "-ext-" not in name])
def test_every_rule_names_a_regulation(name: str) -> None:
    assert REGULATION.search(DEMANDS[name][1])


@pytest.mark.parametrize("base", BASES, ids=lambda base: base["resourceType"])
def test_what_the_pairs_start_from_breaks_no_rule(base: Resource, validator: Validator) -> None:
    assert validator.validate(changed(base, {})).issues == ()


@pytest.mark.parametrize(("base", "name", "accepted", "refused"), PAIRS, ids=[named(row[1]) for row in PAIRS])
def test_one_instance_is_accepted_and_one_refused(
    base: Resource, name: str, accepted: Changes, refused: Changes, validator: Validator
) -> None:
    rule = name.rpartition(" ")[2]
    found = [validator.validate(changed(base, changes), today=TODAY).issues for changes in (accepted, refused)]
    assert [issue for issue in found[0] if issue.rule == rule] == []
    broken = [issue for issue in found[1] if issue.rule == rule]
    assert [issue.severity for issue in broken] == [DEMANDS[name][0]]


def test_the_programme_has_a_profile_for_each_of_its_types(definitions: Definitions) -> None:
    assert {base["resourceType"]: base["meta"]["profile"] for base in BASES} == {
        definition["type"]: [definition["url"]]
        for definition in profiles.resources("programme")
        if definition["resourceType"] == "StructureDefinition" and definition["type"] != "Extension"
    }


def test_a_commune_of_before_the_reform_stays_right_for_ever(validator: Validator) -> None:
    resource = changed(PATIENT, old_unit("00001"))
    assert validator.validate(resource, today="2026-11-22").issues == ()
    unknown = changed(PATIENT, old_unit("99999"))
    assert [issue.rule for issue in validator.validate(unknown, today="2026-11-22").issues] == ["Coding.code:unknown"]
