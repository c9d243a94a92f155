"""What a certificate is judged by: whom to trust, when it is, what is revoked, which rules apply.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#63-verification
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from signing import icvp
from signing.revocation import HashType, Revoked
from signing.rules import Rulebook
from signing.trust import TrustList
from signing.verification import NO_REVOCATION, NO_RULES, OK, Stage


class Terms(NamedTuple):
    """The same for every certificate that is verified at one moment; None: not consulted."""

    trust: TrustList
    now: datetime
    skew: timedelta
    revoked: Revoked | None = None
    rulebook: Rulebook | None = None
    icvp_version: icvp.Version = icvp.NEWEST

    def revocation(self, hashes: Iterable[tuple[HashType, bytes]]) -> Stage:
        """Return the stage that says whether one of `hashes` is revoked."""
        if self.revoked is None:
            return NO_REVOCATION
        for type, hash in hashes:
            if hash in self.revoked:
                return Stage("revocation", False, "revoked", f"the issuer revoked it (by its {type})")
        return OK["revocation"]

    def rules(self, payload: Mapping[str, Any] | None, external: Mapping[str, Any]) -> Stage:
        """Return the stage that applies business rules to a DCC; None: another certificate, which no rules are for."""
        if self.rulebook is None:
            return NO_RULES
        if payload is None:
            return Stage("rules", None, "not-applicable", "business rules are for EU DCC only")
        return self.rulebook.stage(payload, self.now, external)
