"""The vaccines in use in Vietnam and the diseases they protect from, with their codes in the systems of the world.

https://hl7.org/fhir/R4/conceptmap.html · CVX of the CDC · ATC · EU DCC value sets · SNOMED CT and ICD-10 (codes only)

No list of the national system's own vaccine codes is public: there is a code system of this project, and a ministry's
catalogue joins by a ConceptMap of its own.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from scripts.national.notation import OWN, PROGRAMME, Json
from scripts.national.tables import Facts, Target, code_system, concept, concept_map, group, listed, value_set
from terminology.diseases import DISEASES, SNOMED
from terminology.tables import read
from terminology.vaccines import ATC, CVX, PRODUCT, VACCINES, Vaccine

# https://github.com/ehn-dcc-development/eu-dcc-valuesets
EU_PRODUCT, EU_PRODUCT_OTHER = (
    "https://ec.europa.eu/health/documents/community-register/html/",
    "http://ec.europa.eu/temp/vaccineproductname",
)
EU_HOLDER, EU_HOLDER_OTHER = (
    "https://spor.ema.europa.eu/v1/organisations",
    "http://ec.europa.eu/temp/vaccinemanufacturer",
)
ICD_10 = "http://hl7.org/fhir/sid/icd-10"
# Conditional approvals of the Ministry of Health in 2021; the numbers but for 983 and 3448 were not checked.
APPROVED = {
    "vaxzevria": "2021-02-01",
    "sputnik-v": "2021-03-23",
    "vero-cell": "2021-06-03",
    "comirnaty": "2021-06-12",
    "spikevax": "2021-06-28",
    "janssen": "2021-07-15",
    "hayat-vax": "2021-09-10",
    "abdala": "2021-09-17",
    "covaxin": "2021-11-10",
}
FACTS = Facts("medium", tuple(read("vaccines")["source"].values()))
DISEASE_FACTS = Facts("medium", (read("diseases")["source"],))
DCC_FACTS = Facts("high", ("EU DCC value sets, https://github.com/ehn-dcc-development/eu-dcc-valuesets",))
CERTAINTY = "The certainty of each row is the property `certainty` of the product."


def resources() -> Iterator[Json]:
    """Yield the products, their value sets and their concept maps."""
    if unknown := APPROVED.keys() - VACCINES.keys():
        raise ValueError(f"approved, but not in the table: {unknown}")
    yield code_system(
        PROGRAMME,
        "vaccine-product",
        ("Vaccines in use in Vietnam", "Vắc xin sử dụng tại Việt Nam"),
        "Products by this project's own codes: no public list of the national system's vaccine codes was found. "
        "validFrom is the day of the conditional approval of 2021, where there was one; retired products stay for "
        "older doses.",
        FACTS,
        map(product, VACCINES.values()),
    )
    yield value_set(
        PROGRAMME,
        "vaccine-product",
        ("Vaccines in use in Vietnam", "Vắc xin sử dụng tại Việt Nam"),
        "All products, those no longer used included.",
        FACTS,
        {"system": PRODUCT},
    )
    yield value_set(
        PROGRAMME,
        "vaccine",
        ("Vaccines by product, CVX or ATC", "Vắc xin theo sản phẩm, CVX hoặc ATC"),
        "What a vaccineCode of the programme holds: a product, and the codes that its products have in CVX and ATC.",
        FACTS,
        {"system": PRODUCT},
        listed(CVX, sorted({code for vaccine in VACCINES.values() for code in every_cvx(vaccine)})),
        listed(ATC, sorted({vaccine.atc for vaccine in VACCINES.values()})),
    )
    yield value_set(
        PROGRAMME,
        "target-disease",
        ("Diseases that vaccines protect from", "Bệnh được phòng bằng vắc xin"),
        "Identifiers of SNOMED CT, or ICD-10 codes; the words are this project's, SNOMED CT has its own licence.",
        DISEASE_FACTS,
        listed(SNOMED, [(disease.code, disease.en, disease.vi) for disease in DISEASES.values()]),
        listed(ICD_10, sorted({disease.icd10 for disease in DISEASES.values() if "-" not in disease.icd10})),
    )
    yield from maps()


def product(vaccine: Vaccine) -> Json:
    """Return the concept of a product."""
    found = concept(
        (vaccine.id, vaccine.trade_name, ""),
        valueDateTime_validFrom=APPROVED.get(vaccine.id),
        valueCode_status="active" if vaccine.status == "in-use" else "retired",
        valueCode_channel=vaccine.channel,
        valueString_manufacturer=vaccine.manufacturer,
        valueCode_country=vaccine.country,
        valueString_registration=vaccine.registration,
        valueCode_certainty=vaccine.certainty,
    )
    found["definition"] = vaccine.generic
    found["property"] += [
        {"code": "target-disease", "valueCoding": {"system": SNOMED, "code": code}} for code in vaccine.target_diseases
    ]
    return {key: found[key] for key in ("code", "display", "definition", "designation", "property") if key in found}


def every_cvx(vaccine: Vaccine) -> tuple[str, ...]:
    """Return the CVX codes of a product, the best one first."""
    return tuple(code for code in (vaccine.cvx, *vaccine.cvx_alternatives) if code)


def maps() -> Iterator[Json]:
    """Yield the concept maps of the products and of the diseases."""
    source = f"{OWN}/ValueSet/vaccine-product"
    yield _map(
        "vaccine-cvx",
        "CVX",
        f"The first target is the best code, any others may be sent beside it. {CERTAINTY}",
        FACTS,
        source,
        CVX,
        lambda vaccine: [
            Target(code, "wider" if place == 0 and vaccine.cvx else "relatedto")
            for place, code in enumerate(every_cvx(vaccine))
        ],
    )
    yield _map(
        "vaccine-atc",
        "ATC",
        f"From memory: check against the licensed ATC index. {CERTAINTY}",
        Facts("low", FACTS.sources),
        source,
        ATC,
        lambda vaccine: [Target(vaccine.atc, "wider")],
    )
    yield _map(
        "vaccine-disease",
        "SNOMED CT (diseases)",
        f"Which diseases a product protects from. {CERTAINTY}",
        FACTS,
        source,
        SNOMED,
        lambda vaccine: [
            Target(code, "relatedto", DISEASES[code].en, "protects from") for code in vaccine.target_diseases
        ],
    )
    yield concept_map(
        PROGRAMME,
        "vaccine-eu-dcc",
        ("Vaccines in EU certificates", "Vắc xin trong chứng nhận EU"),
        "What the EU health certificate calls a product: kind of vaccine (vp), product (mp), holder of the marketing "
        "authorisation (ma).",
        DCC_FACTS,
        source,
        dcc_groups(),
    )
    yield concept_map(
        PROGRAMME,
        "disease-icd-10",
        ("Diseases in ICD-10", "Bệnh theo ICD-10"),
        "A code or, where a disease has several, the range as a comment.",
        DISEASE_FACTS,
        f"{OWN}/ValueSet/target-disease",
        [
            group(
                SNOMED,
                ICD_10,
                [
                    (
                        disease.code,
                        disease.en,
                        [Target(disease.icd10.partition("-")[0], "relatedto", "", ranged(disease.icd10))],
                    )
                    for disease in DISEASES.values()
                ],
            )
        ],
    )


def ranged(code: str) -> str:
    """Return the comment on an ICD-10 range."""
    return f"first code of the range {code}" if "-" in code else ""


def dcc_groups() -> Iterable[Json]:
    """Return a group for each system that the EU's value sets use."""
    coded = [(vaccine, vaccine.dcc) for vaccine in VACCINES.values() if vaccine.dcc]
    registered = [(vaccine, dcc) for vaccine, dcc in coded if dcc.mp.startswith("EU/")]
    others = [(vaccine, dcc) for vaccine, dcc in coded if not dcc.mp.startswith("EU/")]

    def one(system: str, rows: Iterable[tuple[Vaccine, Any]], code: str, equivalence: str, display: str = "") -> Json:
        return group(
            PRODUCT,
            system,
            [
                (
                    vaccine.id,
                    vaccine.trade_name,
                    [Target(getattr(dcc, code), equivalence, getattr(dcc, display) if display else "", code)],
                )
                for vaccine, dcc in rows
            ],
        )

    numbered = [(vaccine, dcc) for vaccine, dcc in coded if dcc.ma.startswith("ORG-")]
    named = [(vaccine, dcc) for vaccine, dcc in coded if not dcc.ma.startswith("ORG-")]
    return [
        one(SNOMED, coded, "vp", "wider", "vp_display"),
        one(EU_PRODUCT, registered, "mp", "equivalent"),
        one(EU_PRODUCT_OTHER, others, "mp", "equivalent"),
        one(EU_HOLDER, numbered, "ma", "relatedto", "ma_display"),
        one(EU_HOLDER_OTHER, named, "ma", "relatedto", "ma_display"),
    ]


def _map(id: str, system: str, about: str, facts: Facts, source: str, target: str, of: Any) -> Json:
    rows = [(vaccine.id, vaccine.trade_name, of(vaccine)) for vaccine in VACCINES.values()]
    title = (f"Vaccines in {system}", f"Vắc xin theo {system}")
    return concept_map(PROGRAMME, id, title, about, facts, source, [group(PRODUCT, target, rows)])
