"""The keys as they are at this moment: a keystore that another process may rotate, and whom else to trust.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#5-trust-models
"""

import logging
from pathlib import Path

from signing import keystore
from signing.keys import SignerSet
from signing.keystore import NONE, Secrets
from signing.refusal import Refused
from signing.trust import TrustList

log = logging.getLogger(__name__)


class Keyring:
    """The keys of a folder, read again when the folder changes: a rotation needs no restart."""

    def __init__(self, folder: Path | None, secrets: Secrets = NONE, foreign: TrustList | None = None):
        """Read the keys; raise Refused or OSError when they cannot be used. None: there are no keys."""
        self._folder = folder
        self._secrets = secrets
        self._foreign = TrustList(()) if foreign is None else foreign
        self._changed = folder.stat().st_mtime_ns if folder and folder.exists() else 0  # `load` tells what is missing
        self._use(keystore.load(folder, secrets) if folder else SignerSet(()))

    @property
    def signers(self) -> SignerSet:
        """The keys of this issuer."""
        self._refresh()
        return self._signers

    @property
    def trust(self) -> TrustList:
        """Whose certificates verify here: this issuer's and the foreign ones."""
        self._refresh()
        return self._trust

    def _use(self, signers: SignerSet) -> None:
        self._signers = signers
        self._trust = signers.trust_list() | self._foreign

    def _refresh(self) -> None:
        # Every file of a keystore is put in place by a rename, which changes the time of its folder.
        if self._folder is None:
            return
        try:
            changed = self._folder.stat().st_mtime_ns
            if changed != self._changed:
                self._use(keystore.load(self._folder, self._secrets))
                self._changed = changed
        except (Refused, OSError) as error:
            # What was read before still signs; the next use tries again.
            log.warning("the keys were changed and cannot be read: %s", error)
