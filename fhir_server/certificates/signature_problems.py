"""Why the signature over a dose does not count, in Vietnamese: who reads it sits in a commune health station.

Decision 5772/QĐ-BYT (2021); the codes are those of `signing.detached`, `signing.chains` and `certificates.dose_steps`.
"""

from signing.refusal import Refused

VIETNAMESE = {
    "altered": "mũi tiêm đã được sửa sau khi ký, cần ký lại",
    "bad-signature": "chữ ký không khớp với nội dung hiện tại của mũi tiêm, cần lấy lại $signing-input rồi ký lại",
    "chain-broken": "các chứng thư số trong chuỗi không nối tiếp nhau",
    "chain-expired": "chứng thư số chưa có hiệu lực hoặc đã hết hạn vào lúc ký",
    "chain-length": "chuỗi chứng thư số quá dài hoặc trống",
    "chain-missing": "chữ ký không kèm chuỗi chứng thư số (x5c)",
    "chain-untrusted": "chứng thư số không do tổ chức chứng thực nào được tin cậy ở đây cấp",
    "critical-header": "phần đầu của chữ ký có yêu cầu (crit) không được hỗ trợ",
    "facility-unknown": "mũi tiêm chưa ghi cơ sở tiêm chủng (performer)",
    "key-type": "khóa trong chứng thư số không hợp với thuật toán ký",
    "key-usage": "chứng thư số không được dùng để ký",
    "not-a-certificate": "không đọc được chứng thư số trong chuỗi",
    "not-an-authority": "một chứng thư số trong chuỗi không phải của tổ chức chứng thực",
    "not-base64url": "chữ ký không phải Base64url",
    "not-canonical": "nội dung mũi tiêm không viết được ở dạng chuẩn hóa (RFC 8785)",
    "not-detached-jws": "chữ ký không phải JWS tách rời (header..signature)",
    "signer-mismatch": "chứng thư số không mang mã nào của tổ chức ký",
    "signer-not-delegated": "tổ chức ký không được ủy quyền ký thay cơ sở tiêm chủng",
    "signer-unknown": "tổ chức ký chưa được ghi nhận ở đây",
    "unreadable-key": "không đọc được khóa trong chứng thư số",
    "unsupported-algorithm": "thuật toán ký không được chấp nhận (chỉ ES256, PS256, RS256)",
}


def vietnamese(refused: Refused) -> str:
    """Return the reason as a clause; the code itself for one that has no text."""
    return VIETNAMESE.get(refused.code, refused.code)
