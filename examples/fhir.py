"""The small pieces of FHIR that the generator shares between resources, made once and never changed.

https://hl7.org/fhir/R4/datatypes.html

Resources that are generated share these pieces: write them out or copy them, but do not change them in place.
"""

from datetime import date
from functools import cache
from typing import Any, Final

from examples.names import Name
from terminology.diseases import DISEASES, SNOMED
from terminology.ethnicity import ETHNIC_GROUPS, ETHNICITY
from terminology.places import PROVINCE, PROVINCES, WARD, WARDS, Place
from terminology.vaccines import ATC, CVX, PRODUCT, VACCINES

Resource = dict[str, Any]

HL7: Final = "http://terminology.hl7.org/CodeSystem"
CORE: Final = "http://fhir.hl7.org.vn/core"
PROGRAMME: Final = "https://fhir.tiemchung.vn"
PROFILE: Final = f"{PROGRAMME}/StructureDefinition"
BIRTH_PLACE: Final = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"
LOINC: Final = "http://loinc.org"
UCUM: Final = "http://unitsofmeasure.org"


def concept(system: str, code: str, display: str | None = None, text: str | None = None) -> Resource:
    """Return a CodeableConcept with one coding."""
    coding = {"system": system, "code": code} | ({"display": display} if display else {})
    return {"coding": [coding]} | ({"text": text} if text else {})


def reference(target: str, display: str | None = None) -> Resource:
    """Return a Reference to `target`, such as `Patient/p-000001`."""
    return {"reference": target} | ({"display": display} if display else {})


def human_name(name: Name) -> Resource:
    """Return the official HumanName: family, middle and given names, and the whole in Vietnamese order."""
    if name.temporary:
        return {"use": "temp", "text": name.text}
    family = {"family": name.family} if name.family else {}
    return {"use": "official", "text": name.text} | family | {"given": name.parts}


def moment(day: date, minute: int) -> str:
    """Return the dateTime in Viet Nam `minute` minutes after the start of `day`."""
    return f"{day.isoformat()}T{minute // 60:02}:{minute % 60:02}:00+07:00"


@cache
def vaccine_code(product: str) -> Resource:
    """Return the vaccineCode of a product: its own code, then CVX and ATC where they are known."""
    vaccine = VACCINES[product]
    codes = ((PRODUCT, vaccine.id, vaccine.trade_name), (CVX, vaccine.cvx, None), (ATC, vaccine.atc, None))
    codings = [
        {"system": system, "code": code} | ({"display": display} if display else {})
        for system, code, display in codes
        if code
    ]
    text = vaccine.trade_name if vaccine.generic in vaccine.trade_name else f"{vaccine.trade_name} – {vaccine.generic}"
    return {"coding": codings, "text": text}


@cache
def target_disease(code: str) -> Resource:
    """Return the disease with this SNOMED CT code as a CodeableConcept, named in English and Vietnamese."""
    disease = DISEASES[code]
    return concept(SNOMED, code, disease.en, disease.vi)


@cache
def ethnicity(code: str) -> Resource:
    """Return the extension that names a patient's ethnic group."""
    group = concept(ETHNICITY, code, ETHNIC_GROUPS[code].name)
    return {"url": f"{CORE}/StructureDefinition/vn-ext-ethnicity", "valueCodeableConcept": group}


@cache
def programme_type(code: str) -> Resource:
    """Return the extension that says in which kind of programme (tcmr, dich-vu, chien-dich) a dose was given."""
    return {"url": f"{CORE}/StructureDefinition/vn-ext-immunization-program-type", "valueCode": code}


def meta(profile: str) -> Resource:
    """Return the meta of a resource that follows the programme's profile `profile`, such as `patient`."""
    return {"profile": [f"{PROFILE}/vn-imm-{profile}"]}


@cache
def origins(ward: str, today: date) -> tuple[Resource, ...]:
    """Return the extensions that say where somebody was born, was registered and comes from: all in one ward."""
    whole = address(WARDS[ward], "", today)
    place = {name: value for name, value in whole.items() if name not in ("use", "line")}
    urls = (BIRTH_PLACE, f"{PROFILE}/vn-imm-ext-birth-registration", f"{PROFILE}/vn-imm-ext-native-place")
    return tuple({"url": url, "valueAddress": place} for url in urls)


def address(ward: Place, line: str, today: date) -> Resource:
    """Return an address by the units in force on `today`: ward as city, province as state, and both as codes."""
    province = PROVINCES[ward.province]
    named = {"ward": (WARD, ward), "province": (PROVINCE, province)}
    return {
        "extension": [
            {
                "url": f"{CORE}/StructureDefinition/vn-ext-{kind}",
                "valueCoding": {"system": system, "code": place.code, "display": place.name_on(today)},
            }
            for kind, (system, place) in named.items()
        ],
        "use": "home",
        "line": [line],
        "city": ward.name_on(today),
        "state": province.name_on(today),
        "country": "VN",
    }
