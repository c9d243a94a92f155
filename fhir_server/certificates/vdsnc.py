"""The content of a visible digital seal of ICAO: proof of vaccination against COVID-19.

ICAO Technical Report VDS-NC, https://www.icao.int/Security/FAL/TRIP/Pages/Publications.aspx — icao.vacc, version 1

Disease and vaccine are ICD-11 codes (https://icd.who.int/browse/); other diseases than COVID-19 are not issued.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fhir_server.certificates import dcc, doses, names
from fhir_server.certificates.doses import Dose
from fhir_server.outcome import Unprocessable
from signing import values

LONGEST_NAME: Final = 39  # characters, as in a machine readable zone
_COVID_19: Final = "RA01.0"
_ANY_VACCINE: Final = "XM68M6"  # COVID-19 vaccines
_VACCINES: Final = {  # ICD-11, extension codes below XM68M6, by the SNOMED CT code of the DCC
    "1119349007": "XM0GQ8",  # RNA based
    "29061000087103": "XM9QW8",  # non-replicating viral vector
    "1157024006": "XM1NL1",  # inactivated virus
    "1162643001": "XM5JC5",  # protein subunit
    "30141000087107": "XM1J92",  # virus like particle
    "1187593009": "XM6AT1",  # DNA based
}
_SEX: Final = {"male": "M", "female": "F", "other": "X"}


def message(
    patient: Mapping[str, Any], given: Sequence[Dose], *, uvci: str, issuer: str, country: str = "VNM"
) -> dict[str, Any]:
    """Return the message of the seal for the counted doses `given`; raise Unprocessable with every reason."""
    name = names.choose(patient.get("name", ()))
    birth_date = patient.get("birthDate")
    known = [(dose, dcc.product(dose)) for dose in given]
    issues = [
        *([] if name else [dcc.NO_NAME]),
        *(dcc.no_product(dose) for dose, product in known if product is None),
        *(dcc.no_day(dose) for dose in given if not dose.is_exact),
    ]
    if issues or name is None:
        raise Unprocessable("No visible digital seal can be issued from these records", issues=issues)
    events: dict[str, dict[str, Any]] = {}
    for place, (dose, product) in enumerate(known, 1):
        assert product is not None
        event = events.setdefault(
            product.mp,
            {
                "des": _VACCINES.get(product.vp, _ANY_VACCINE),
                "nam": values.display("mp", product.mp) or product.mp,
                "dis": _COVID_19,
                "vd": [],
            },
        )
        event["vd"].append(_vaccination(dose, doses.number(dose, given) or place, country, issuer))
    person = {"n": _spelled(name), **({"dob": birth_date} if isinstance(birth_date, str) else {})}
    if sex := _SEX.get(patient.get("gender", "")):
        person["sex"] = sex
    return {"pid": person, "uvci": uvci, "ve": list(events.values())}


def _vaccination(dose: Dose, number: int, country: str, issuer: str) -> dict[str, Any]:
    given = {"dvc": dose.day, "seq": number, "ctr": country, "adm": doses.facility_name(dose.immunization) or issuer}
    lot = dose.immunization.get("lotNumber")
    return {**given, "lot": lot} if lot else given


def _spelled(name: names.Name) -> str:
    """Return the name in the letters of a passport: two spaces between family and given names, 39 characters."""
    parts = [part.replace("<", " ") for part in (name.fnt, name.gnt) if part]
    return "  ".join(parts)[:LONGEST_NAME].rstrip()
