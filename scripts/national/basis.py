"""What the programme's profiles stand on: regulations, systems of numbers, and how a profile of the set is written.

TT 13/2026/TT-BYT · QĐ 3891/QĐ-BYT · Luật Căn cước 26/2023/QH15
"""

from typing import Any

from scripts.national.community import url
from scripts.national.notation import CORE, OWN, PROGRAMME, Json, Text, element, profile

DATASET = "QĐ 3891/QĐ-BYT of 18/12/2025, national immunization data set"
UNVERIFIED = f"{DATASET} (validity after 01/07/2026 not verified)"
EXACT = "TT 13/2026/TT-BYT Điều 10 khoản 2: records are full, exact and in time"
PERSON = "NĐ 137/2015/NĐ-CP Điều 13; TT 59/2021/TT-BCA Điều 4"
CHANGED = "Never an error: sex and birth data can be changed, numbers can be cancelled (NĐ 70/2024/NĐ-CP Điều 11)"
PRACTICE = "Luật Khám bệnh, chữa bệnh 2023 Điều 19-27; NĐ 96/2023/NĐ-CP"
FACILITY = "Luật Khám bệnh, chữa bệnh 2023 Điều 47-48; QĐ 384/QĐ-BYT 2019"
CMND, PASSPORT = f"{CORE}/sid/cmnd", f"{CORE}/sid/passport"
NUMBER, BIRTH_NUMBER = f"{OWN}/sid/ma-tiem-chung", f"{OWN}/sid/giay-chung-sinh"
GLN = "https://www.gs1.org/gln"
NOT_OFFICIAL = (
    "It is a profile of this project, built on the VN Core community draft; it is not a national standard and is "
    "endorsed by no authority."
)
WARD = url("vn-ext-ward")


def own(id: str) -> str:
    """Return the canonical URL of a definition of the programme."""
    return PROGRAMME.url("StructureDefinition", id)


def value_set(id: str) -> str:
    """Return the canonical URL of a value set of the programme."""
    return PROGRAMME.url("ValueSet", id)


def structure(id: str, base: str, title: Text, about: str, elements: list[Json], basis: str) -> Json:
    """Return a profile of the programme."""
    return profile(PROGRAMME, id, base, title, f"{about} {NOT_OFFICIAL}", elements, basis)


def demanded(id: str, short: Text, basis: str, **facts: Any) -> Json:
    """Return an element that must be there, and why."""
    return element(id, short, requirements=basis, min=1, **facts)
