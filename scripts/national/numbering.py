"""The programme's own numbers, the numbers that others give, and what a server of the programme has.

https://hl7.org/fhir/R4/namingsystem.html · QĐ 3421/QĐ-BYT · QĐ 1551/QĐ-BYT
"""

from collections.abc import Iterator

from scripts.national.basis import GLN, NOT_OFFICIAL, own
from scripts.national.notation import OWN, PROGRAMME, Json, head
from scripts.national.tables import Facts, naming_system

# id, what it is, form, facts
NUMBERS = (
    (
        "ma-tiem-chung",
        "A person's number in the immunization programme — Mã tiêm chủng (QĐ 3421/QĐ-BYT: one number for life)",
        "a letter, then at most 31 letters, digits, '-' or '.'; never 12 digits. The national system's own form is "
        "not public",
        Facts("medium", ("QĐ 3421/QĐ-BYT of 28/07/2017", "form: this project")),
    ),
    (
        "ma-su-co",
        "An adverse event's number — Mã sự cố bất lợi sau tiêm chủng",
        "opaque",
        Facts("medium", ("the WHO standard reporting form for adverse events", "form: this project")),
    ),
    (
        "giay-chung-sinh",
        "The number of a newborn's birth certificate — Số giấy chứng sinh",
        "opaque; given days or weeks before the citizen number",
        Facts("medium", ("practice of facilities; its form was not collected",)),
    ),
)
TYPES = {
    "Patient": "patient",
    "Immunization": "immunization",
    "ImmunizationRecommendation": "recommendation",
    "Medication": "medication",
    "AdverseEvent": "adverse-event",
    "Practitioner": "practitioner",
    "PractitionerRole": "practitioner-role",
    "Organization": "organization",
    "Location": "location",
    "RelatedPerson": "related-person",
}


def resources() -> Iterator[Json]:
    """Yield the naming systems and the capability statement."""
    for id, about, form, facts in NUMBERS:
        yield naming_system(id, f"{about}. Form: {form}.", facts, f"{OWN}/sid/{id}", publisher=PROGRAMME.publisher)
    yield naming_system(
        "gln",
        "Global location number (GLN) of a facility — Mã địa điểm toàn cầu. Form: 13 digits, the last a check digit.",
        Facts("high", ("QĐ 1551/QĐ-BYT of 31/05/2026 (13-digit GLN)", "HL7 Terminology, NamingSystem GLN")),
        GLN,
        "urn:oid:2.51.1.3",
    )
    yield {
        **head(
            PROGRAMME,
            "CapabilityStatement",
            "vn-imm-server",
            ("Server of the immunization programme", "Máy chủ tiêm chủng"),
            f"Which profiles the programme's records follow. {NOT_OFFICIAL}",
        ),
        "kind": "requirements",
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [
            {
                "mode": "server",
                "resource": [
                    {
                        "type": type,
                        "supportedProfile": [own(f"vn-imm-{id}")],
                        "interaction": [{"code": code} for code in ("read", "create", "update", "search-type")],
                    }
                    for type, id in TYPES.items()
                ],
            }
        ],
    }
