"""https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md"""

import time

from signing import rates
from tests.signing.conftest import NOW, PAYLOAD


def test_a_certificate_takes_longer_than_the_signature_in_it_but_not_much() -> None:
    measured = rates.measure(PAYLOAD, NOW, time.process_time, seconds=0.2)
    assert measured.sign / 10 < measured.issue < measured.sign
    assert measured.verify_signature / 10 < measured.verify < measured.verify_signature
