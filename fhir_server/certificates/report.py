"""The answer to "is this certificate good?" as JSON: every stage, in both languages, and what the certificate says.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md#63-verification
"""

from datetime import datetime
from typing import Any, Final

from fhir_server.certificates.content import summary
from signing.verify import Stage, Verification

VIETNAMESE: Final = {
    "ok": "đạt",
    "not-reached": "chưa kiểm tra được vì bước trước không đạt",
    "not-checked": "không kiểm tra",
    "too-long": "nội dung dài hơn mọi mã chứng nhận",
    "not-text": "nội dung không phải văn bản",
    "prefix-missing": "nội dung không bắt đầu bằng HC1:",
    "prefix-lower-case": "nội dung bắt đầu bằng hc1: viết thường: đã bị thay đổi khi truyền",
    "base45-character": "có ký tự không thuộc bảng Base45",
    "base45-length": "số ký tự không đúng: có thể bị cắt cụt",
    "base45-value": "chuỗi ký tự không phải Base45",
    "not-zlib": "dữ liệu nén bị hỏng",
    "zlib-truncated": "dữ liệu nén bị cắt cụt",
    "zlib-trailing": "có dữ liệu thừa sau phần nén",
    "inflated-too-long": "dữ liệu giải nén vượt giới hạn",
    "not-cbor": "cấu trúc CBOR không hợp lệ",
    "cbor-trailing": "có dữ liệu thừa sau cấu trúc CBOR",
    "not-cose-sign1": "không có cấu trúc chữ ký COSE_Sign1",
    "critical-header": "chữ ký đòi hỏi một tính năng không được hỗ trợ",
    "not-cwt": "nội dung được ký không phải chứng nhận",
    "unsupported-algorithm": "thuật toán ký không phải ES256 hay PS256",
    "kid-missing": "chứng nhận không cho biết khóa nào đã ký",
    "unknown-signer": "đơn vị ký không có trong danh sách tin cậy",
    "key-type-mismatch": "khóa của đơn vị ký không dùng cho thuật toán này",
    "bad-signature": "chữ ký sai: chứng nhận bị sửa đổi hoặc do người khác ký",
    "claims-missing": "thiếu thời điểm cấp hoặc thời điểm hết hạn",
    "claims-not-a-time": "thời điểm cấp hoặc hết hạn không hợp lệ",
    "issued-in-future": "thời điểm cấp ở tương lai",
    "expired": "chứng nhận đã hết hạn: hãy cấp lại",
    "signer-not-yet-valid": "chứng thư của đơn vị ký chưa có hiệu lực",
    "signer-expired": "chứng thư của đơn vị ký đã hết hiệu lực",
    "outlives-signer": "đạt; chứng nhận ghi hạn dài hơn chứng thư của đơn vị ký",
    "wrong-key-usage": "đơn vị ký không được ký loại chứng nhận này",
    "no-dcc": "không có nội dung chứng nhận COVID số của EU",
    "not-json": "nội dung chứng nhận có dữ liệu không đọc được",
    "schema-warning": "đạt; nội dung chưa đúng hoàn toàn theo lược đồ",
}


def report(verification: Verification) -> dict[str, Any]:
    """Return `verification` as JSON can write it.

    `valid` decides; `readable` is false for what is no certificate at all; `content` and `summary` are to be believed
    only when `valid`, and stem from a listed signer at least when `trusted`. `ok` of a stage is null when unchecked.
    """
    signer = verification.signer
    return {
        "valid": verification.valid,
        "readable": verification.readable,
        "trusted": verification.trusted,
        "stages": [_stage(stage) for stage in verification.stages],
        "issuer": verification.issuer,
        "issued": _time(verification.issued),
        "expires": _time(verification.expires),
        "kid": verification.kid,
        "algorithm": verification.algorithm,
        "signer": None
        if signer is None
        else {
            "country": signer.country,
            "thumbprint": signer.thumbprint,
            "notBefore": _time(signer.not_before),
            "notAfter": _time(signer.not_after),
        },
        "content": verification.content,
        "summary": [line._asdict() for line in summary(verification.content)],
    }


def _stage(stage: Stage) -> dict[str, Any]:
    en = stage.detail or stage.code.replace("-", " ")
    return {"stage": stage.stage, "ok": stage.ok, "code": stage.code, "en": en, "vi": VIETNAMESE[stage.code]}


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
