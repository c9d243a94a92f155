"""What the register has revoked, asked for one certificate at the moment it is verified: no list that could be old.

https://github.com/eu-digital-green-certificates/dgc-gateway — RevocationBatchDto; https://spec.smarthealth.cards/#revocation
"""

import asyncio
from base64 import b64decode, b64encode
from datetime import datetime

from fhir_server.server import Context
from signing import jwk
from signing.algorithms import ES256
from signing.revocation import Revoked, card_list
from signing.verify import Verification, verify

_HASH = 24  # characters of a hash in Base64; a `rid` made here has 11


class _Asked(Revoked):
    """Says that nothing is revoked, and notes what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.hashes: list[str] = []
        self.card_of: tuple[str, str] | None = None  # kid and rid

    def __contains__(self, hash: bytes) -> bool:
        self.hashes.append(b64encode(hash).decode())
        return False

    def card(self, kid: str, rid: str, issued: datetime) -> bool | None:
        self.card_of = kid, rid
        return False


async def verified(ctx: Context, text: str) -> Verification:
    """Verify a certificate against the keys trusted here and what the register has revoked by now."""
    asked = _Asked()
    found = await asyncio.to_thread(verify, text, ctx.server.trust, ctx.now, revoked=asked)
    kid, rid = asked.card_of or ("", "")
    revoked = await ctx.server.store.register.revoked([*asked.hashes, *([rid] if rid else [])])
    own = kid in {jwk.thumbprint(key.signer.public_key) for key in ctx.server.signers.keys if key.algorithm == ES256}
    if not revoked and not own:
        return found
    lists = {kid: card_list([rid] if rid in revoked else [])} if own else {}
    listed = Revoked([b64decode(hash) for hash in asked.hashes if hash in revoked], lists)
    return await asyncio.to_thread(verify, text, ctx.server.trust, ctx.now, revoked=listed)


async def published(ctx: Context) -> Revoked:
    """Return the whole list as it is carried offline: hashes, and the list of each of this issuer's keys for cards."""
    hashes: list[bytes] = []
    rids: dict[str, list[str]] = {
        jwk.thumbprint(key.signer.public_key): [] for key in ctx.server.signers.keys if key.algorithm == ES256
    }
    async for each in ctx.server.store.register.revocations(ctx.now):
        if each.kid in rids and each.format == "shc" and len(each.hash) < _HASH:
            rids[each.kid].append(each.hash)
        else:
            hashes.append(b64decode(each.hash))
    return Revoked(hashes, {kid: card_list(found, len(found)) for kid, found in rids.items()})
