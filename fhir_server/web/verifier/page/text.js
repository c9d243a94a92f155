/** What the page says, in Vietnamese and English; a code without a text of its own is shown as it is. */
const TEXTS = {
  title: ["Kiểm tra chứng nhận tiêm chủng", "Verify a vaccination certificate"],
  other: ["English", "Tiếng Việt"],
  scan: ["Quét mã QR bằng máy ảnh", "Scan a QR code with the camera"],
  stop: ["Dừng quét", "Stop scanning"],
  picture: ["Đọc từ ảnh hoặc tệp", "Read a picture or file"],
  text: ["Hoặc dán nội dung mã QR", "Or paste the content of a QR code"],
  check: ["Kiểm tra", "Verify"],
  again: ["Kiểm tra chứng nhận khác", "Verify another one"],
  details: ["Các bước kiểm tra", "What was checked"],
  privacy: [
    "Chứng nhận được kiểm tra ngay trên thiết bị này, không gửi đi đâu, không lưu lại.",
    "The certificate is checked on this device. It is sent nowhere and not kept.",
  ],
  valid: ["HỢP LỆ", "VALID"],
  invalid: ["KHÔNG HỢP LỆ", "NOT VALID"],
  compare: [
    "Hãy đối chiếu họ tên và ngày sinh với giấy tờ tùy thân.",
    "Compare name and date of birth with an identity document.",
  ],
  unrevoked: ["Chưa kiểm tra được danh sách thu hồi.", "Revocation could not be checked."],
  untrusted: [
    "Nội dung dưới đây chưa được xác thực, đừng tin.",
    "What follows is not authentic: do not rely on it.",
  ],
  nothing: ["Không tìm thấy mã QR nào.", "No QR code was found."],
  several: ["Ảnh có nhiều mã QR, chỉ kiểm tra từng mã một.", "There are several QR codes: show one at a time."],
  "chunk-missing": ["Thẻ này gồm nhiều mã QR, hãy quét mã tiếp theo.", "This card has several QR codes: scan the next."],
  "not-a-picture": ["Tệp không phải là ảnh đọc được.", "The file is not a picture that can be read."],
  "picture-too-large": ["Ảnh quá lớn.", "The picture is too large."],
  "no-camera": ["Không mở được máy ảnh. Hãy dùng ảnh chụp mã QR.", "The camera cannot be used. Use a picture instead."],
  "no-decoder": [
    "Thiết bị này chưa có bộ đọc mã QR. Hãy dán nội dung mã.",
    "The QR decoder is not there. Paste the content instead.",
  ],
  "no-lists": [
    "Chưa có danh sách tin cậy: hãy mở trang này một lần khi có mạng.",
    "There are no trust lists yet: open this page once with a network.",
  ],
  "bad-lists": [
    "Danh sách tin cậy nhận được không đúng chữ ký nên không dùng.",
    "The trust lists received are not signed as they must be and are not used.",
  ],
  lists: ["Danh sách tin cậy: {when}, {count} khóa.", "Trust lists: {when}, {count} keys."],
  "lists-old": [
    "Danh sách tin cậy đã cũ ({when}). Hãy nối mạng để cập nhật.",
    "The trust lists are old ({when}). Connect to a network to renew them.",
  ],
  country: ["Nước đến", "Country of arrival"],
  name: ["Họ tên", "Name"],
  birth: ["Ngày sinh", "Date of birth"],
  disease: ["Phòng bệnh", "Disease"],
  vaccine: ["Vắc xin", "Vaccine"],
  dose: ["Mũi", "Dose"],
  date: ["Ngày tiêm", "Date"],
  issuer: ["Nơi cấp", "Issuer"],
  identifier: ["Mã chứng nhận", "Certificate identifier"],
  expires: ["Hết hạn", "Expires"],
  "signed-by": ["Khóa ký của", "Signed with a key of"],
  result: ["Kết quả", "Result"],
  // Stages
  prefix: ["Nhận dạng", "Recognition"],
  base45: ["Giải mã", "Decoding"],
  inflate: ["Giải nén", "Inflation"],
  cbor: ["Cấu trúc", "Structure"],
  algorithm: ["Thuật toán", "Algorithm"],
  key: ["Khóa của nơi ký", "Signer's key"],
  signature: ["Chữ ký", "Signature"],
  claims: ["Thời hạn", "Validity in time"],
  "signer-validity": ["Hiệu lực của nơi ký", "Signer's validity"],
  "key-usage": ["Quyền ký", "Signer's permission"],
  revocation: ["Thu hồi", "Revocation"],
  content: ["Nội dung", "Content"],
  rules: ["Quy tắc", "Rules"],
  // Codes
  ok: ["đạt", "passed"],
  "not-reached": ["chưa tới bước này", "not reached"],
  "not-checked": ["không kiểm tra", "not checked"],
  "not-applicable": ["không áp dụng", "does not apply"],
  "prefix-missing": ["Đây không phải mã chứng nhận tiêm chủng.", "This is not the code of a vaccination certificate."],
  "prefix-lower-case": ["Mã đã bị đổi chữ hoa thành chữ thường.", "The code was turned into small letters."],
  "too-long": ["Mã dài quá mức.", "The code is too long."],
  "base45-character": ["Mã có ký tự lạ.", "The code has a foreign character."],
  "base45-length": ["Mã bị thiếu ký tự.", "The code is incomplete."],
  "base45-value": ["Mã bị hỏng.", "The code is damaged."],
  "not-zlib": ["Mã bị hỏng hoặc bị cắt.", "The code is damaged or cut short."],
  "not-deflate": ["Mã bị hỏng hoặc bị cắt.", "The code is damaged or cut short."],
  "inflated-too-long": ["Nội dung lớn quá mức.", "The content is too large."],
  "not-cbor": ["Cấu trúc không đúng.", "The structure is wrong."],
  "cbor-trailing": ["Có dữ liệu thừa.", "There is more than the certificate."],
  "not-cose-sign1": ["Cấu trúc không đúng.", "The structure is wrong."],
  "unsupported-algorithm": ["Thuật toán ký không được chấp nhận.", "The signature algorithm is not accepted."],
  "kid-missing": ["Chứng nhận không nêu khóa đã ký.", "The certificate does not say which key signed it."],
  "unknown-signer": ["Nơi ký không có trong danh sách tin cậy.", "The signer is not on the trust list."],
  "unreadable-authority": [
    "Trình duyệt này không đọc được khóa của cơ quan bảo chứng nơi ký: hãy kiểm tra bằng chương trình trên máy tính.",
    "This browser cannot read the key of the authority that vouches for the signer: verify it with the program for computers.",
  ],
  "not-a-certificate": ["Chứng thư của nơi ký trong mã bị hỏng.", "The signer's certificate inside the code is damaged."],
  "unreadable-key": ["Không đọc được khóa của nơi ký.", "The signer's key cannot be read."],
  "key-type-mismatch": ["Khóa không hợp với thuật toán.", "The key does not fit the algorithm."],
  "bad-signature": [
    "Chữ ký sai: chứng nhận đã bị sửa hoặc là giả.",
    "The signature is wrong: the certificate was altered or forged.",
  ],
  "claims-missing": ["Thiếu thời hạn.", "The validity is missing."],
  "claims-not-a-time": ["Thời hạn không đọc được.", "The validity is not a time."],
  "issued-in-future": ["Chứng nhận chưa có hiệu lực.", "The certificate is not valid yet."],
  expired: ["Chứng nhận đã hết hạn.", "The certificate has expired."],
  "signer-not-yet-valid": ["Khóa của nơi ký chưa có hiệu lực.", "The signer is not valid yet."],
  "signer-expired": ["Khóa của nơi ký đã hết hạn.", "The signer has expired."],
  "outlives-signer": ["đạt (hạn dài hơn khóa của nơi ký)", "passed (outlives its signer)"],
  "wrong-key-usage": ["Nơi ký không được ký loại này.", "The signer may not sign this kind."],
  revoked: ["Chứng nhận đã bị thu hồi.", "The certificate was revoked."],
  "rule-failed": ["Không đáp ứng quy tắc của nước đến.", "It does not meet the rules of the country of arrival."],
  "no-rules": ["không có quy tắc nào áp dụng", "no rule applies"],
  "rules-open": ["có quy tắc chưa đánh giá được", "a rule could not be evaluated"],
  "list-missing": ["thiếu danh sách thu hồi của khóa này", "the revocation list of this key is missing"],
  "list-outdated": ["danh sách thu hồi của khóa này đã cũ", "the revocation list of this key is old"],
  "no-certificate": ["Nội dung được ký không phải chứng nhận tiêm chủng.", "What was signed is no health certificate."],
  "wrong-origin": ["Khóa ký không phải của nơi cấp ghi trên thẻ.", "The key is not of the issuer that the card names."],
  "origin-not-pinned": ["đạt (chưa rõ địa chỉ công bố khóa)", "passed (who published the key is not known)"],
  "schema-warning": ["đạt (có chỗ khác chuẩn)", "passed (with departures from the schema)"],
};

let column = 0;

/** Choose the language: "vi" or "en". */
export function speak(language) {
  column = language === "en" ? 1 : 0;
}

/** Return the text of `key`, with what stands in braces filled from `values`. */
export function say(key, values = {}) {
  const text = TEXTS[key]?.[column] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** Return whether `key` has a text. */
export function known(key) {
  return key in TEXTS;
}
