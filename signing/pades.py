"""Signatures inside PDF documents (PAdES B-B), made with the keys that sign certificates, in files or in a token.

https://www.etsi.org/deliver/etsi_en/319100_319199/31914201/ — EN 319 142-1
"""

from io import BytesIO
from typing import Any

from asn1crypto import algos, x509
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, PdfSigner, Signer
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko_certvalidator.registry import SimpleCertificateStore

from signing.algorithms import ES256
from signing.keys import SigningKey

_FIELD = "Signature"


class _KeySigner(Signer):
    """Signs with a `SigningKey`, wherever its private half is."""

    def __init__(self, key: SigningKey):
        super().__init__(
            signing_cert=x509.Certificate.load(key.signer.certificate),
            cert_registry=SimpleCertificateStore(),  # type: ignore[no-untyped-call]
            signature_mechanism=_mechanism(key),
            embed_roots=False,
        )
        self._key = key

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        """Return the signature of `data` as CMS has it: for ECDSA, r and s in DER."""
        if dry_run:
            return bytes(self._key.signature_size + 16)
        signature = self._key.sign(data)
        if self._key.algorithm != ES256:
            return signature
        half = len(signature) // 2
        return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))


def sign(document: bytes, key: SigningKey, reason: str) -> bytes:
    """Return the PDF `document` with an invisible signature by `key`; raise Refused when a token does not sign."""
    settings = PdfSignatureMetadata(
        field_name=_FIELD,
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        reason=reason,
    )
    out = BytesIO()
    writer = IncrementalPdfFileWriter(BytesIO(document))
    signer = PdfSigner(settings, signer=_KeySigner(key))
    signer.sign_pdf(writer, output=out)
    return out.getvalue()


def _mechanism(key: SigningKey) -> Any:
    if key.algorithm == ES256:
        return algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"})
    digest = {"algorithm": "sha256"}
    parameters = {
        "hash_algorithm": digest,
        "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": digest},
        "salt_length": 32,
    }
    return algos.SignedDigestAlgorithm({"algorithm": "rsassa_pss", "parameters": parameters})
