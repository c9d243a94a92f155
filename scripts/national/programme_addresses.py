"""Set C, continued: whether the commune of an address lies in its province, as the units are since 01/07/2025.

QĐ 19/2025/QĐ-TTg · NQ 202/2025/QH15

The codes of communes run through the country in the order of the provinces of long ago, so that a province is a few
runs of codes. A rule asks by halves in which run a code lies; the communes before the reform fit into the same runs by
what their province became.
"""

from collections.abc import Sequence

from scripts.national.basis import WARD, own
from scripts.national.community import url
from scripts.national.notation import Json, rule

PROVINCE = url("vn-ext-province")
OLDER = own("vn-imm-ext-unit-before-2025")
Run = tuple[str, str]  # the first code, of communes since the reform or before it; the province

# From the code systems of communes (since 01/07/2025 and until 2025), the older ones by what their province became.
RUNS = """
    00001:01 00688:08 01267:04 01834:19 02200:08 02635:15 03124:11 03386:12 03646:14 04249:15 04789:25
    04927:01 04942:25 05431:19 05971:20 06649:22 07201:24 07888:25 08973:01 09025:25 09163:24 09538:01
    10507:31 11950:33 13285:37 14755:38 16663:40 18073:42 18853:44 19750:46 20194:48 21010:51 21550:52
    22015:66 22327:56 22915:68 23281:51 23557:52 24118:66 24611:68 25195:75 25456:80 25741:79 25993:75
    26506:79 27685:80 28249:82 28756:86 29869:82 30280:91 31117:92 31813:96
"""


def runs() -> list[Run]:
    """Return where the communes of each province begin, in the order of the codes."""
    return [(code, province) for code, _, province in (run.partition(":") for run in RUNS.split())]


def rules() -> list[Json]:
    """Return the rules on an address; warnings, for units go on changing and an address is not lost by it."""
    lies = _lies_in(runs())
    return [
        rule(
            "vn-imm-address-ward",
            "warning",
            (
                "The commune does not lie in the province: correct vn-ext-ward or vn-ext-province",
                "Mã cấp xã không thuộc tỉnh, thành phố đã ghi: hãy sửa vn-ext-ward hoặc vn-ext-province",
            ),
            _together(WARD, lies),
            "QĐ 19/2025/QĐ-TTg: the 3,321 communes with their provinces, in force since 01/07/2025",
        ),
        rule(
            "vn-imm-address-former-commune",
            "warning",
            (
                "What the commune of before 01/07/2025 became lies in another province: correct "
                "vn-imm-ext-unit-before-2025 or vn-ext-province",
                "Đơn vị cấp xã trước 01/07/2025 nay thuộc tỉnh khác: hãy sửa vn-imm-ext-unit-before-2025 hoặc "
                "vn-ext-province",
            ),
            _together(OLDER, lies),
            "NQ 202/2025/QH15, QĐ 19/2025/QĐ-TTg: which province each of the 63 became part of",
        ),
    ]


def _together(commune: str, lies: str) -> str:
    """Return the expression: commune and province, written one after the other, fit; true when one is not given."""
    both = " & ".join(f"extension.where(url = '{unit}').value.code" for unit in (commune, PROVINCE))
    return f"({both}).where(matches('^[0-9]{{7}}$')).all({lies})"


def _lies_in(parts: Sequence[Run]) -> str:
    if len(parts) == 1:
        return f"endsWith('{parts[0][1]}')"
    half = len(parts) // 2
    return f"iif($this < '{parts[half][0]}', {_lies_in(parts[:half])}, {_lies_in(parts[half:])})"
