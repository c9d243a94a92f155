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
    "no-certificate": "nội dung được ký không phải chứng nhận y tế",
    "not-json": "nội dung chứng nhận có dữ liệu không đọc được",
    "schema-warning": "đạt; nội dung chưa đúng hoàn toàn theo lược đồ",
    "not-applicable": "định dạng này không có bước kiểm tra đó",
    "not-numeric": "sau shc:/ chỉ được có chữ số",
    "numeric-odd": "số chữ số lẻ: có thể bị cắt cụt",
    "numeric-pair": "cặp chữ số không ứng với ký tự nào",
    "chunks": "các mã không thuộc cùng một thẻ",
    "chunk-missing": "thiếu một phần của thẻ: hãy quét đủ các mã",
    "not-jws": "không phải thẻ sức khỏe dạng JWS",
    "not-base64url": "dữ liệu không phải Base64url",
    "not-health-card-file": "không phải tệp .smart-health-card",
    "zip-missing": "thẻ không ghi rằng nội dung được nén",
    "zip-unknown": "kiểu nén không được hỗ trợ",
    "not-deflate": "dữ liệu nén bị hỏng",
    "deflate-truncated": "dữ liệu nén bị cắt cụt",
    "deflate-trailing": "có dữ liệu thừa sau phần nén",
    "not-vds-nc": "không có cấu trúc VDS-NC",
    "not-canonical": "nội dung JSON không thể viết theo dạng chuẩn",
    "wrong-origin": "khóa không phải của cơ quan cấp ghi trên thẻ",
    "origin-not-pinned": "đạt; không rõ địa chỉ nào đã công bố khóa",
    "not-a-certificate": "chứng thư của đơn vị ký không đọc được",
    "unreadable-key": "khóa của đơn vị ký không đọc được",
    "signature-length": "chữ ký sai độ dài",
    "issuer-url": "địa chỉ cơ quan cấp không hợp lệ",
    "revoked": "chứng nhận đã bị cơ quan cấp thu hồi",
    "list-missing": "không có danh sách thu hồi của khóa này",
    "list-outdated": "danh sách thu hồi đã cũ",
    "rule-failed": "không đáp ứng quy định nhập cảnh",
    "rules-open": "có quy định không đánh giá được",
    "no-rules": "không có quy định nào áp dụng",
}


def report(verification: Verification) -> dict[str, Any]:
    """Return `verification` as JSON can write it, each stage explained in both languages.

    `valid` decides; `readable` is false for what is no certificate at all; `content` and `summary` are to be believed
    only when `valid`, and stem from a listed signer at least when `trusted`. `ok` of a stage is null when unchecked.
    """
    return _report(verification, [_stage(stage) for stage in verification.stages])


def brief(verification: Verification) -> dict[str, Any]:
    """Return the same for programs: of each stage `stage`, `ok`, `code` and `detail`."""
    stages = [
        {"stage": name, "ok": ok, "code": code, "detail": detail} for name, ok, code, detail in verification.stages
    ]
    return _report(verification, stages)


def _report(verification: Verification, stages: list[dict[str, Any]]) -> dict[str, Any]:
    signer = verification.signer
    return {
        "valid": verification.valid,
        "readable": verification.readable,
        "format": verification.format,
        "trusted": verification.trusted,
        "stages": stages,
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
