"""R4's own constraints in words: the specification's English, and Vietnamese where one exists here.

https://hl7.org/fhir/R4/conformance-rules.html#constraints
"""

from typing import Final

from fhir_server.definitions.model import Constraint
from fhir_server.validation.invariants import Rule

# Key → what the rule says, with the remedy in it. What is not here is told in the specification's words.
VIETNAMESE: Final = {
    "dom-6": "Tài nguyên nên có phần mô tả (text) để người đọc hiểu được",
    "per-1": "Ngày bắt đầu phải trước hoặc bằng ngày kết thúc: hãy sửa start hoặc end",
    "qty-3": "Có mã đơn vị thì phải có hệ mã của đơn vị: hãy thêm system",
    "rng-2": "Giá trị low phải nhỏ hơn hoặc bằng high: hãy sửa một trong hai",
    "rat-1": "Tử số và mẫu số phải cùng có hoặc cùng không có; nếu không có thì cần phần mở rộng",
    "cpt-2": "Có giá trị liên lạc thì phải cho biết loại: hãy thêm system",
    "att-1": "Tệp đính kèm có dữ liệu thì phải có contentType: hãy thêm contentType",
    "tim-1": "Có duration thì phải có đơn vị: hãy thêm durationUnit",
    "tim-2": "Có period thì phải có đơn vị: hãy thêm periodUnit",
    "tim-4": "duration phải là số không âm",
    "tim-5": "period phải là số không âm",
    "tim-6": "Có periodMax thì phải có period",
    "tim-7": "Có durationMax thì phải có duration",
    "tim-8": "Có countMax thì phải có count",
    "tim-9": "Có offset thì phải có when, và when không được là C, CM, CD, CV",
    "tim-10": "Có timeOfDay thì không được có when, và ngược lại",
    "pat-1": "Người liên hệ phải có ít nhất tên, số liên lạc, địa chỉ hoặc tổ chức",
    "imm-1": "Phải ghi nơi giáo dục bệnh nhân bằng documentType hoặc reference",
    "org-1": "Tổ chức phải có ít nhất tên hoặc số định danh: hãy thêm name hoặc identifier",
    "org-2": "Địa chỉ của tổ chức không được có use = home",
    "org-3": "Số liên lạc của tổ chức không được có use = home",
    "obs-3": "Chỉ được ghi khoảng tham chiếu khi có giá trị low, high hoặc text",
    "obs-6": "Đã có value[x] thì không được ghi dataAbsentReason",
    "obs-7": "Mã của Observation trùng mã của component thì không được có value[x]",
    "con-3": "Condition nên có clinicalStatus, trừ khi verificationStatus là entered-in-error",
    "con-4": "Đã có ngày kết thúc (abatement) thì clinicalStatus phải là inactive, resolved hoặc remission",
    "con-5": "Khi verificationStatus là entered-in-error thì không được ghi clinicalStatus",
    "ait-1": "clinicalStatus phải có khi verificationStatus không phải entered-in-error",
    "ait-2": "Khi verificationStatus là entered-in-error thì không được ghi clinicalStatus",
    "bdl-1": "Chỉ Bundle kiểu searchset hoặc history mới được có total",
    "bdl-2": "Chỉ Bundle kiểu searchset mới được có entry.search",
    "bdl-3": "entry.request bắt buộc với batch, transaction và history, không được có ở các kiểu khác",
    "bdl-4": "entry.response bắt buộc với batch-response, transaction-response, history; không được có ở kiểu khác",
    "bdl-5": "entry phải có resource, request hoặc response",
    "bdl-7": "Trong một Bundle, fullUrl không được trùng (trừ các phiên bản khác nhau của cùng tài nguyên)",
    "bdl-8": "fullUrl không được chỉ đến một phiên bản cụ thể (/_history/)",
    "bdl-9": "Bundle kiểu document phải có identifier với system và value",
    "bdl-10": "Bundle kiểu document phải có timestamp",
    "bdl-11": "Bundle kiểu document phải bắt đầu bằng Composition",
    "bdl-12": "Bundle kiểu message phải bắt đầu bằng MessageHeader",
    "que-12": "Có nhiều hơn một enableWhen thì phải ghi enableBehavior",
}

# Key → the expression that R4's words ask for, where the one that it was published with says less.
CORRECTED: Final = {"que-12": "enableWhen.count() > 1 implies enableBehavior.exists()"}  # published: > 2


def rule(constraint: Constraint, advice: bool) -> Rule:
    """Return a constraint of R4 as a rule with its texts; best practice (`advice`) is information."""
    human = constraint.human.strip()
    vi = VIETNAMESE.get(constraint.key) or f"Không đúng quy tắc {constraint.key} của FHIR R4: {human}"
    en = f"Rule {constraint.key} of FHIR R4 is broken: {human}"
    severity = "information" if advice else constraint.severity
    expression = CORRECTED.get(constraint.key, constraint.expression)
    return Rule(constraint.key, severity, en, vi, expression, None, advice)
