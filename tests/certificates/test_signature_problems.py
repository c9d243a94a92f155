"""Decision 5772/QĐ-BYT (2021): who is refused a signature is told why in Vietnamese"""

import re
from pathlib import Path

from fhir_server.certificates import attested, dose_steps
from fhir_server.certificates.signature_problems import VIETNAMESE
from signing import chains, detached, jcs, jwk

ELSEWHERE = {"no-authority"}  # of the settings, when a server starts


def test_every_reason_has_a_vietnamese_text() -> None:
    sources = [Path(str(module.__file__)).read_text() for module in (attested, dose_steps, chains, detached, jcs, jwk)]
    codes = {code for source in sources for code in re.findall(r'Refused\(\s*"([a-z-]+)"', source)}
    assert len(codes) > 15
    assert codes - ELSEWHERE <= VIETNAMESE.keys()
