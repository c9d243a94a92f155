"""Set C, continued: adverse events following immunization, and the extensions of the set.

TT 13/2026/TT-BYT Điều 12, 15 · NĐ 165/2026/NĐ-CP Điều 2 khoản 7 · https://hl7.org/fhir/R4/adverseevent.html

Four things that are easily mixed up each have a place of their own: how severe (severity), how serious (seriousness,
with its reasons), how certain the diagnosis is (Brighton), and what caused it (causality).
"""

from collections.abc import Iterator

from scripts.national import programme_addresses
from scripts.national.basis import UNVERIFIED, demanded, own, structure, value_set
from scripts.national.notation import (
    PROGRAMME,
    Json,
    bound,
    by,
    complex_extension,
    element,
    extension,
    of_type,
    reference,
    rule,
    simple_extension,
)

SEVERE = "NĐ 165/2026/NĐ-CP Điều 2 khoản 7 (severe event)"
CLOCK = "TT 13/2026/TT-BYT Điều 15 khoản 5a: a severe event is notified to Sở Y tế and CDC within 24 hours"
FORM = "TT 13/2026/TT-BYT Điều 15; fields of the WHO reporting form for adverse events, where they are starred"
WHO = "TT 13/2026/TT-BYT Điều 15; WHO, Causality assessment of an AEFI, 2018"
REASON, BRIGHTON, NOTIFIED = (own(f"vn-imm-ext-{name}") for name in ("seriousness-reason", "brighton", "notified"))


def definitions() -> Iterator[Json]:
    """Yield the profile of adverse events and the extensions of the programme."""
    yield _adverse_event()
    yield from _extensions()


def _rules() -> list[Json]:
    serious = "seriousness.coding.where(code.startsWith('Serious'))"
    reasons = f"extension.where(url = '{REASON}')"
    notified = f"extension.where(url = '{NOTIFIED}').value.ofType(dateTime)"
    return [
        rule(
            "vn-imm-aefi-order",
            "error",
            (
                "The event was detected before it began, or recorded before it was detected: correct date, detected "
                "or recordedDate",
                "Sự cố được phát hiện trước khi xảy ra, hoặc ghi nhận trước khi phát hiện: hãy sửa date, detected hoặc "
                "recordedDate",
            ),
            "iif(date > detected, false, iif(detected > recordedDate, false, true))",
            "TT 13/2026/TT-BYT Điều 15: the times of an event decide whether it was notified in time",
        ),
        rule(
            "vn-imm-aefi-after-dose",
            "warning",
            (
                "The event began before the dose that is suspected: correct date, or name the right dose in "
                "suspectEntity",
                "Sự cố khởi phát trước mũi tiêm nghi ngờ: hãy sửa date, hoặc ghi đúng mũi tiêm trong suspectEntity",
            ),
            "suspectEntity.instance.resolve()"
            ".where($this is Immunization and %resource.date < occurrence.ofType(dateTime)).empty()",
            "TT 13/2026/TT-BYT Điều 15; WHO, Causality assessment of an AEFI, 2018: an event that follows a dose. "
            "Never an error: the wrong date may be that of the dose, in the record of another facility",
        ),
        rule(
            "vn-imm-aefi-reason-serious",
            "error",
            (
                "Reasons of seriousness are given, but the event is called non-serious: correct seriousness or remove "
                "the reasons",
                "Có lý do nghiêm trọng nhưng seriousness không phải Serious: hãy sửa seriousness hoặc bỏ các lý do",
            ),
            f"{reasons}.empty() or {serious}.exists()",
            SEVERE,
        ),
        rule(
            "vn-imm-aefi-serious-reason",
            "warning",
            (
                "The event is serious, and the record does not say why: add the extension "
                "vn-imm-ext-seriousness-reason",
                "Sự cố nghiêm trọng nhưng chưa ghi lý do: hãy thêm phần mở rộng vn-imm-ext-seriousness-reason",
            ),
            f"{serious}.empty() or {reasons}.exists()",
            f"{SEVERE}; {FORM}",
        ),
        rule(
            "vn-imm-aefi-death",
            "error",
            (
                "Death as reason of seriousness and the outcome disagree: correct outcome (fatal) or the reason",
                "Lý do nghiêm trọng là tử vong nhưng kết cục không phải tử vong: hãy sửa outcome (fatal) hoặc lý do",
            ),
            f"{reasons}.value.coding.where(code = 'death').empty() or outcome.coding.where(code = 'fatal').exists()",
            FORM,
        ),
        rule(
            "vn-imm-aefi-notified",
            "warning",
            (
                "A serious event is notified to Sở Y tế and CDC within 24 hours, and the record does not say when "
                "that was done: notify, then add the extension vn-imm-ext-notified",
                "Tai biến nặng phải báo cáo Sở Y tế và CDC trong 24 giờ nhưng bản ghi chưa có thời điểm báo cáo: hãy "
                "báo cáo rồi thêm phần mở rộng vn-imm-ext-notified",
            ),
            f"{serious}.empty() or {notified}.exists()",
            CLOCK,
        ),
        rule(
            "vn-imm-aefi-24-hours",
            "warning",
            (
                "The serious event was notified later than 24 hours after it was detected: check both times, and "
                "tell the reason of the delay in the report",
                "Tai biến nặng được báo cáo muộn hơn 24 giờ sau khi phát hiện: hãy kiểm tra hai thời điểm và ghi lý do "
                "chậm vào báo cáo",
            ),
            f"{serious}.empty() or iif({notified} > detected + 24 hours, false, true)",
            f"{CLOCK}. Never an error: what happened is recorded as it happened",
        ),
        rule(
            "vn-imm-aefi-recorder",
            "warning",
            (
                "The record does not say who reports the event: add recorder",
                "Bản ghi chưa cho biết người báo cáo: hãy thêm recorder",
            ),
            "recorder.exists()",
            FORM,
        ),
    ]


def _adverse_event() -> Json:
    kept_apart = "Severity, seriousness, diagnostic certainty and causality are kept apart."
    return structure(
        "vn-imm-adverse-event",
        "AdverseEvent",
        ("Adverse event following immunization", "Sự cố bất lợi sau tiêm chủng"),
        f"What happened to a person after a dose. {kept_apart} The type is of maturity 0 in R4: few demands.",
        [
            element(
                "AdverseEvent",
                ("Adverse event following immunization", "Sự cố bất lợi sau tiêm chủng"),
                constraint=_rules(),
            ),
            element("AdverseEvent.extension", slicing=by("url")),
            *(
                element(f"AdverseEvent.extension:{name}", short, max=most, type=extension(definition))
                for name, short, most, definition in (
                    ("seriousnessReason", ("Why it is serious", "Lý do nghiêm trọng"), "*", REASON),
                    ("brighton", ("Certainty of the diagnosis", "Mức chắc chắn chẩn đoán"), "*", BRIGHTON),
                    ("notified", ("When the authorities were told", "Thời điểm báo cáo"), "1", NOTIFIED),
                )
            ),
            element(
                "AdverseEvent.actuality",
                ("It happened", "Đã xảy ra"),
                requirements=FORM,
                fixedCode="actual",
            ),
            demanded(
                "AdverseEvent.event",
                ("What happened", "Biểu hiện"),
                FORM,
                mustSupport=True,
                binding=bound("extensible", value_set("aefi-term")),
            ),
            element(
                "AdverseEvent.subject",
                ("Who it happened to", "Người bị sự cố"),
                requirements=FORM,
                type=reference(own("vn-imm-patient"), "Patient"),
            ),
            demanded("AdverseEvent.date", ("When it began", "Thời điểm khởi phát"), FORM, mustSupport=True),
            demanded("AdverseEvent.detected", ("When it became known", "Thời điểm phát hiện"), CLOCK, mustSupport=True),
            element("AdverseEvent.recordedDate", ("When it was written down", "Thời điểm ghi nhận"), mustSupport=True),
            element("AdverseEvent.location", ("Where the dose was given", "Nơi tiêm"), mustSupport=True),
            demanded(
                "AdverseEvent.seriousness",
                ("Serious or not: what it led to", "Nghiêm trọng hay không: hậu quả"),
                SEVERE,
                mustSupport=True,
                binding=bound("required", value_set("aefi-seriousness")),
            ),
            element(
                "AdverseEvent.severity",
                ("Mild, moderate, severe: how strong", "Nhẹ, vừa, nặng: mức độ biểu hiện"),
                mustSupport=True,
            ),
            element("AdverseEvent.outcome", ("Outcome", "Kết cục"), mustSupport=True),
            demanded(
                "AdverseEvent.suspectEntity",
                ("The dose before it", "Mũi tiêm nghi ngờ"),
                FORM,
                mustSupport=True,
            ),
            element(
                "AdverseEvent.suspectEntity.instance",
                ("The dose, or the lot", "Mũi tiêm hoặc lô vắc xin"),
                requirements="TT 13/2026/TT-BYT Điều 12 khoản 3 và 5: the lot is suspended",
                type=reference(own("vn-imm-immunization"), "Immunization", own("vn-imm-medication"), "Medication"),
            ),
            element(
                "AdverseEvent.suspectEntity.causality.assessment",
                ("What caused it, by the classes of WHO", "Nguyên nhân theo phân loại của WHO"),
                requirements=WHO,
                binding=bound("extensible", value_set("aefi-causality")),
            ),
        ],
        f"{CLOCK}; {SEVERE}. No VN Core profile of this type was seen.",
    )


def _extensions() -> Iterator[Json]:
    coded = "CodeableConcept"
    where = ["Patient"]
    yield simple_extension(
        PROGRAMME,
        "vn-imm-ext-birth-registration",
        ("Where the birth was registered", "Nơi đăng ký khai sinh"),
        where,
        of_type("Address", constraint=programme_addresses.rules()),
        f"{UNVERIFIED}.",
        max="1",
    )
    yield simple_extension(
        PROGRAMME,
        "vn-imm-ext-native-place",
        ("Native place", "Quê quán"),
        where,
        of_type("Address", constraint=programme_addresses.rules()),
        f"{UNVERIFIED}.",
        max="1",
    )
    yield simple_extension(
        PROGRAMME,
        "vn-imm-ext-subject-status",
        ("Status of a subject", "Tình trạng đối tượng"),
        where,
        of_type("code", binding=bound("required", value_set("subject-status"))),
        f"{UNVERIFIED}.",
        max="1",
    )
    yield simple_extension(
        PROGRAMME,
        "vn-imm-ext-education-level",
        ("Education", "Trình độ học vấn"),
        where,
        of_type(coded, binding=bound("extensible", value_set("education-level"))),
        max="1",
    )
    yield simple_extension(
        PROGRAMME,
        "vn-imm-ext-unit-before-2025",
        ("Commune as it was written before 01/07/2025", "Đơn vị cấp xã trước ngày 01/07/2025"),
        ["Address"],
        of_type(
            "Coding",
            # No binding: a code that was right when it was written is right, whatever is in force on the day.
            patternCoding={"system": PROGRAMME.url("CodeSystem", "commune-until-2025")},
        ),
        "The code is kept as it was written: of a commune that was split, only a person knows which part is meant.",
        max="1",
    )
    yield complex_extension(
        PROGRAMME,
        "vn-imm-ext-reconstitution",
        ("Diluent and time of reconstitution", "Dung môi và thời điểm pha hồi chỉnh"),
        ["Immunization"],
        {
            "lotNumber": (("Lot of the diluent", "Số lô dung môi"), of_type("string", min=1)),
            "expirationDate": (("Expiry of the diluent", "Hạn dùng dung môi"), of_type("date")),
            "reconstituted": (("When the vaccine was reconstituted", "Thời điểm pha hồi chỉnh"), of_type("dateTime")),
        },
        "R4 has no element for it; the WHO form for adverse events asks for it.",
        max="1",
    )
    yield simple_extension(
        PROGRAMME,
        "vn-imm-ext-seriousness-reason",
        ("Why an event is serious", "Lý do nghiêm trọng"),
        ["AdverseEvent"],
        of_type(coded, binding=bound("required", value_set("aefi-seriousness-reason"))),
    )
    yield complex_extension(
        PROGRAMME,
        "vn-imm-ext-brighton",
        ("Certainty of the diagnosis by a Brighton case definition", "Mức chắc chắn chẩn đoán theo Brighton"),
        ["AdverseEvent"],
        {
            "definition": (("Case definition", "Định nghĩa ca bệnh"), of_type(coded, min=1)),
            "level": (
                ("Level of certainty", "Mức chắc chắn"),
                of_type("code", min=1, binding=bound("required", value_set("brighton-level"))),
            ),
        },
        "Neither severity nor causality.",
    )
    yield simple_extension(
        PROGRAMME,
        "vn-imm-ext-notified",
        ("When Sở Y tế and CDC were told", "Thời điểm báo cáo Sở Y tế và CDC"),
        ["AdverseEvent"],
        of_type("dateTime"),
        f"{CLOCK}.",
        max="1",
    )
    yield complex_extension(
        PROGRAMME,
        "vn-imm-ext-facts",
        ("Where facts come from", "Nguồn của dữ kiện"),
        ["CodeSystem", "ValueSet", "ConceptMap", "NamingSystem"],
        {
            "source": (("Where they were seen", "Nguồn"), of_type("string", min=1, max="*")),
            "date": (("When they were collected", "Ngày thu thập"), of_type("date", min=1)),
            "certainty": (
                ("How certain they are", "Độ tin cậy"),
                of_type("code", min=1, binding=bound("required", value_set("certainty"))),
            ),
        },
        "Certainty of single concepts is their property `certainty`.",
        max="1",
    )
