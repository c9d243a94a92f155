"""The programme's own code systems and value sets: small tables, each with its source.

TT 13/2026/TT-BYT · QĐ 3891/QĐ-BYT · QĐ 2995/QĐ-BYT · CV 9458/BYT-CNTT · WHO reporting form for adverse events

Where a source was read in one language only, the words in the other are this project's own translation.
"""

from collections.abc import Iterable, Iterator

from scripts.national.notation import CORE, OWN, PROGRAMME, Json, Text
from scripts.national.tables import Facts, Row, code_system, concept, listed, value_set

HL7 = "http://terminology.hl7.org/CodeSystem"
R4 = Facts("high", ("HL7 FHIR R4 4.0.1, https://hl7.org/fhir/R4/terminologies-systems.html",))
FORM = "the WHO standard reporting form for adverse events following immunization"
TRANSLATED = "The words in the language that the source does not have are this project's translation."

# id, title, about, facts, rows (code, display in Vietnamese, English)
SYSTEMS: tuple[tuple[str, Text, str, Facts, tuple[Row, ...]], ...] = (
    (
        "certainty",
        ("How certain facts are", "Độ tin cậy của dữ kiện"),
        "How certain this project is of what it collected.",
        Facts("high", ("this project",)),
        (
            ("high", "Cao: thấy trong nguồn đã công bố", "High: seen in a published source"),
            ("medium", "Trung bình: một phần chưa kiểm chứng", "Medium: partly not checked"),
            ("low", "Thấp: cần kiểm tra trước khi dùng", "Low: check before use"),
        ),
    ),
    (
        "subject-status",
        ("Status of a subject", "Tình trạng đối tượng"),
        f"Status of a person of the programme. {TRANSLATED}",
        Facts("medium", ("QĐ 3891/QĐ-BYT of 18/12/2025, through CV 31/TTKSBT of 06/01/2026 on hcdc.vn",)),
        (
            ("0", "Không có thông tin", "No information"),
            ("1", "Còn sống", "Alive"),
            ("2", "Đã chết", "Dead"),
            ("3", "Mất tích", "Missing"),
        ),
    ),
    (
        "occupation",
        ("Occupations", "Nghề nghiệp"),
        "Occupations by social standing. The ministry's draft guide says 4069/2011; the decision is of 2001.",
        Facts("high", ("QĐ 4069/2001/QĐ-BYT, through https://github.com/hl7vn/vn-core-ig (8e6b6e0), CC0-1.0",)),
        (
            ("01", "Trẻ < 6 tuổi đi học, <15 tuổi không đi học", ""),
            ("02", "Sinh viên, học sinh", ""),
            ("03", "Hưu và > 60 tuổi", ""),
            ("04", "Công nhân", ""),
            ("05", "Nông dân", ""),
            ("06", "Lực lượng vũ trang", ""),
            ("07", "Trí thức", ""),
            ("08", "Hành chính, sự nghiệp", ""),
            ("09", "Y tế", ""),
            ("10", "Dịch vụ", ""),
            ("11", "Việt kiều", ""),
            ("12", "Ngoại kiều", ""),
            ("99", "Khác", ""),
        ),
    ),
    (
        "education-level",
        ("Education", "Trình độ văn hóa"),
        "Grades of school, as the ministry's draft guide has them; nothing beyond school was seen.",
        Facts(
            "high",
            ("General Statistics Office, through https://github.com/hl7vn/vn-core-ig (8e6b6e0), CC0-1.0",),
        ),
        tuple((str(grade), f"{grade}/12", "") for grade in range(1, 13)),
    ),
    (
        "facility-type",
        ("Kinds of facilities", "Loại cơ sở"),
        "Who gives doses, keeps stock or supervises. No official list with vaccination facilities was found; the first "
        f"five are those of VN Core. {TRANSLATED}",
        Facts(
            "medium",
            (
                "VN Core, https://vncore-ig.pages.dev/ValueSet-vn-organization-type-vs (5 of 8 codes), CC-BY-4.0",
                "TT 13/2026/TT-BYT Điều 15 (Sở Y tế, CDC)",
            ),
        ),
        (
            ("BV", "Bệnh viện", "Hospital"),
            ("PK", "Phòng khám", "Clinic"),
            ("TYT", "Trạm y tế", "Health station"),
            ("TTYT", "Trung tâm y tế", "Health centre"),
            ("CSHS", "Cơ sở hộ sinh", "Maternity home"),
            ("CSTC", "Cơ sở tiêm chủng", "Vaccination facility"),
            ("CDC", "Trung tâm Kiểm soát bệnh tật", "Centre for disease control"),
            ("SYT", "Sở Y tế", "Provincial department of health"),
            ("VKV", "Viện vệ sinh dịch tễ, Viện Pasteur", "Regional institute"),
            ("BYT", "Bộ Y tế", "Ministry of Health"),
        ),
    ),
    (
        "screening-result",
        ("Result of screening before a dose", "Kết luận khám sàng lọc"),
        f"What the screening before a dose found. {TRANSLATED}",
        Facts("high", ("QĐ 2995/QĐ-BYT of 18/06/2021; QĐ 1575/QĐ-BYT of 27/03/2023 (children)",)),
        (
            ("eligible", "Đủ điều kiện tiêm", "Eligible"),
            ("caution", "Thận trọng", "With caution"),
            ("postponed", "Trì hoãn", "Postponed"),
            ("contraindicated", "Chống chỉ định", "Contraindicated"),
        ),
    ),
    (
        "feedback-rejection",
        ("Why a citizen's feedback was rejected", "Lý do từ chối phản ánh"),
        f"Reasons of the COVID-19 vaccination portal. {TRANSLATED}",
        Facts("medium", ("CV 9458/BYT-CNTT of 08/11/2021; tintuc.thuvienphapluat.com 38283",)),
        (
            (
                "screening-sheet-only",
                "Ảnh phiếu sàng lọc không có ngày, mũi, vắc xin",
                "Photo of the screening sheet without date, dose or vaccine",
            ),
            ("names-swapped", "Nhầm họ tên người tiêm", "Names of two people swapped"),
            ("portrait-only", "Chỉ có ảnh chân dung", "Only a portrait"),
            ("wrong-dose", "Sai thông tin mũi tiêm", "Wrong information about the dose"),
            ("birth-date-differs", "Ngày sinh không khớp", "Birth date differs"),
            ("incomplete", "Thiếu họ tên, giới tính, thời gian hoặc vắc xin", "No name, sex, time or vaccine"),
            ("masked", "Thông tin bị che", "Information is masked"),
            ("blurred", "Ảnh mờ", "Picture is blurred"),
            ("date-differs", "Ngày tiêm không khớp", "Date differs"),
            ("nothing-matches", "Không có thông tin nào khớp", "Nothing matches"),
            ("name-incomplete", "Họ tên thiếu hoặc không dấu", "Name incomplete or without diacritics"),
            ("vaccine-differs", "Loại vắc xin không khớp", "Kind of vaccine differs"),
            ("paper-edited", "Giấy tờ bị chỉnh sửa", "Paper was edited"),
        ),
    ),
    (
        "aefi-term",
        ("Signs after a dose", "Biểu hiện sau tiêm chủng"),
        f"What is ticked in {FORM} and counted as common reactions in Vietnam. MedDRA needs a licence and may stand "
        f"beside it. {TRANSLATED}",
        Facts("medium", (FORM, "TT 34/2018/TT-BYT, annex X (common reactions), repealed", "TT 12/2014/TT-BYT Điều 2")),
        (
            ("local-pain", "Đau, sưng đỏ tại chỗ tiêm", "Local pain, swelling, redness"),
            (
                "local-severe",
                "Phản ứng tại chỗ nặng (quá 3 ngày hoặc lan qua khớp gần nhất)",
                "Severe local reaction (more than 3 days, or beyond the nearest joint)",
            ),
            ("fever-below-39", "Sốt dưới 39 °C", "Fever below 39 °C"),
            ("fever-39", "Sốt từ 39 °C", "Fever of 39 °C and more"),
            ("irritability", "Quấy khóc, kích thích", "Irritability"),
            ("crying-persistent", "Khóc dai dẳng", "Persistent crying"),
            ("seizure-febrile", "Co giật do sốt", "Febrile seizure"),
            ("seizure-afebrile", "Co giật không sốt", "Afebrile seizure"),
            ("abscess", "Áp xe", "Abscess"),
            ("sepsis", "Nhiễm khuẩn huyết", "Sepsis"),
            ("encephalopathy", "Bệnh não", "Encephalopathy"),
            ("toxic-shock", "Hội chứng sốc nhiễm độc", "Toxic shock syndrome"),
            ("thrombocytopenia", "Giảm tiểu cầu", "Thrombocytopenia"),
            ("anaphylaxis", "Phản vệ", "Anaphylaxis"),
            ("dyspnoea", "Khó thở", "Dyspnoea"),
            ("cyanosis", "Tím tái", "Cyanosis"),
            ("apnoea", "Ngừng thở", "Apnoea"),
            ("other", "Biểu hiện khác", "Other"),
        ),
    ),
    (
        "brighton-level",
        ("Certainty of a diagnosis (Brighton)", "Mức chắc chắn chẩn đoán (Brighton)"),
        f"Levels of the Brighton Collaboration's case definitions. {TRANSLATED}",
        Facts("high", ("Brighton Collaboration case definitions, such as Vaccine 41:2605 (2023)",)),
        (
            ("1", "Mức 1", "Level 1"),
            ("2", "Mức 2", "Level 2"),
            ("3", "Mức 3", "Level 3"),
            ("4", "Không đủ bằng chứng", "Reported with insufficient evidence"),
            ("5", "Không phải ca bệnh", "Not a case"),
        ),
    ),
    (
        "aefi-causality",
        ("What caused an adverse event (WHO)", "Nguyên nhân sự cố (WHO)"),
        f"Classes of the causality assessment. {TRANSLATED}",
        Facts("high", ("WHO, Causality assessment of an adverse event following immunization (AEFI), 2018",)),
        (
            ("A1", "Liên quan đến sản phẩm vắc xin", "Vaccine product-related reaction"),
            ("A2", "Liên quan đến lỗi chất lượng vắc xin", "Vaccine quality defect-related reaction"),
            ("A3", "Liên quan đến sai sót tiêm chủng", "Immunization error-related reaction"),
            ("A4", "Liên quan đến lo sợ, stress", "Immunization anxiety-related reaction (ISRR)"),
            ("B1", "Phù hợp về thời gian, chưa đủ bằng chứng", "Temporal relationship, insufficient evidence"),
            ("B2", "Yếu tố mâu thuẫn", "Conflicting trends"),
            ("C", "Trùng hợp ngẫu nhiên", "Coincidental"),
            ("D", "Không phân loại được", "Unclassifiable"),
        ),
    ),
)

SERIOUS_REASONS: tuple[tuple[Row, str], ...] = (
    (("death", "Tử vong", "Death"), "34"),
    (("life-threatening", "Đe dọa tính mạng", "Life-threatening"), "21"),
    (("hospitalisation", "Nhập viện hoặc kéo dài nằm viện", "Hospitalisation"), "33"),
    (("disability", "Tàn tật", "Disability"), "35"),
    (("congenital-anomaly", "Dị tật bẩm sinh", "Congenital anomaly"), "12"),
    (("other", "Sự kiện y khoa quan trọng khác", "Other important medical event"), "26"),
)

# row, last day
LEVELS: tuple[tuple[Row, str | None], ...] = (
    (("national", "Trung ương", "National"), None),
    (("region", "Khu vực", "Region"), None),
    (("province", "Tỉnh, thành phố", "Province"), None),
    (("district", "Huyện, quận, thị xã", "District"), "2025-06-30"),
    (("commune", "Xã, phường, đặc khu", "Commune"), None),
)

# id, title, facts, then pairs of system and (code, display, Vietnamese)
SETS: tuple[tuple[str, Text, Facts, tuple[tuple[str, tuple[Row, ...]], ...]], ...] = (
    (
        "aefi-seriousness",
        ("Serious or not", "Nghiêm trọng hay không"),
        R4,
        (
            (
                f"{HL7}/adverse-event-seriousness",
                (
                    ("Non-serious", "Non-serious", "Không nghiêm trọng"),
                    ("Serious", "Serious", "Nghiêm trọng"),
                    ("SeriousResultsInDeath", "Results in death", ""),
                    ("SeriousIsLifeThreatening", "Is Life-threatening", ""),
                    (
                        "SeriousResultsInHospitalization",
                        "Requires or prolongs inpatient hospitalization",
                        "",
                    ),
                    ("SeriousResultsInDisability", "Results in persistent or significant disability/incapacity", ""),
                    ("SeriousIsBirthDefect", "Is a congenital anomaly/birth defect", ""),
                    ("SeriousRequiresPreventImpairment", "Requires intervention to prevent permanent impairment", ""),
                ),
            ),
        ),
    ),
    (
        "site",
        ("Where in the body", "Vị trí tiêm"),
        R4,
        (
            (
                f"{HL7}/v3-ActSite",
                (
                    ("LA", "left arm", "Cánh tay trái"),
                    ("RA", "right arm", "Cánh tay phải"),
                    ("LD", "left deltoid", "Cơ delta trái"),
                    ("RD", "right deltoid", "Cơ delta phải"),
                    ("LT", "left thigh", "Đùi trái"),
                    ("RT", "right thigh", "Đùi phải"),
                ),
            ),
        ),
    ),
    (
        "route",
        ("How a dose is given", "Đường dùng"),
        R4,
        (
            (
                f"{HL7}/v3-RouteOfAdministration",
                (
                    ("IM", "Injection, intramuscular", "Tiêm bắp"),
                    ("SQ", "Injection, subcutaneous", "Tiêm dưới da"),
                    ("IDINJ", "Injection, intradermal", "Tiêm trong da"),
                    ("PO", "Swallow, oral", "Uống"),
                    ("NASINHLC", "Inhalation, nasal cannula", "Xịt mũi"),
                ),
            ),
        ),
    ),
    (
        "relationship",
        ("What somebody is to a child", "Quan hệ với trẻ"),
        R4,
        (
            (
                f"{HL7}/v3-RoleCode",
                (
                    ("MTH", "mother", "Mẹ"),
                    ("FTH", "father", "Cha"),
                    ("PRN", "parent", "Cha hoặc mẹ"),
                    ("GUARD", "guardian", "Người giám hộ"),
                    ("GRPRN", "grandparent", "Ông, bà"),
                    ("SIB", "sibling", "Anh, chị, em"),
                    ("AUNT", "aunt", "Cô, dì, bác gái"),
                    ("UNCLE", "uncle", "Chú, cậu, bác trai"),
                ),
            ),
        ),
    ),
    (
        "forecast-status",
        ("Where a series stands", "Tình trạng lịch tiêm"),
        R4,
        (
            (
                f"{HL7}/immunization-recommendation-status",
                (
                    ("due", "Due", "Đến lịch tiêm"),
                    ("overdue", "Overdue", "Quá lịch tiêm"),
                    ("immune", "Immune", "Đã có miễn dịch"),
                    ("contraindicated", "Contraindicated", "Chống chỉ định"),
                    ("complete", "Complete", "Đã tiêm đủ"),
                ),
            ),
        ),
    ),
    (
        "identifier-type",
        ("Kinds of numbers", "Loại định danh"),
        R4,
        (
            (
                f"{HL7}/v2-0203",
                (
                    ("NI", "National unique individual identifier", "Số định danh cá nhân, CCCD, CMND"),
                    ("PPN", "Passport number", "Hộ chiếu"),
                    ("SB", "Social Beneficiary Identifier", "Thẻ bảo hiểm y tế"),
                    ("MR", "Medical record number", "Mã hồ sơ bệnh án"),
                    ("PI", "Patient internal identifier", "Mã người bệnh tại cơ sở"),
                    ("DL", "Driver's license number", "Giấy phép lái xe"),
                    ("BCT", "Birth Certificate", "Giấy khai sinh, giấy chứng sinh"),
                ),
            ),
        ),
    ),
    (
        "forecast-date",
        ("Which date of a forecast", "Loại ngày của lịch tiêm"),
        Facts("medium", ("HL7 ImmDS 1.0.0, https://hl7.org/fhir/us/immds; LOINC has its own licence",)),
        (
            (
                "http://loinc.org",
                (
                    ("30981-5", "Earliest date to give", "Ngày sớm nhất"),
                    ("30980-7", "Date vaccine due", "Ngày đến lịch"),
                    ("59777-3", "Latest date to give immunization", "Ngày muộn nhất"),
                    ("59778-1", "Date when overdue for immunization", "Ngày quá lịch"),
                ),
            ),
        ),
    ),
    (
        "funding-source",
        ("Who pays for a dose", "Nguồn chi trả"),
        Facts(
            "medium", ("VN Core, https://fhir.hl7.org.vn/core/CodeSystem-vn-immunization-funding-source-cs.json.html",)
        ),
        (
            (
                f"{CORE}/CodeSystem/vn-immunization-funding-source-cs",
                (
                    ("ngan-sach", "Ngân sách nhà nước", ""),
                    ("bhyt", "Bảo hiểm y tế", ""),
                    ("tu-phi", "Tự chi trả", ""),
                ),
            ),
        ),
    ),
)


def resources() -> Iterator[Json]:
    """Yield the programme's small code systems with a value set each, and its value sets of others' codes."""
    for id, title, about, facts, rows in SYSTEMS:
        yield from system(id, title, about, facts, map(concept, rows))
    reasons = (concept(row, valueString_icsr=icsr) for row, icsr in SERIOUS_REASONS)
    yield from system(
        "aefi-seriousness-reason",
        ("Why an adverse event is serious", "Lý do nghiêm trọng"),
        f"What makes an event serious; `icsr` is the code of HL7's case safety report. {TRANSLATED}",
        Facts("high", (FORM, "HL7 ICSR/AE reporting guide 1.0.1")),
        reasons,
    )
    yield from system(
        "facility-level",
        ("Levels of administration", "Cấp quản lý"),
        f"Levels of the immunization system; districts ended with 30/06/2025. {TRANSLATED}",
        Facts("high", ("QĐ 3421/QĐ-BYT of 28/07/2017; NQ 202/2025/QH15",)),
        (concept(row, valueDateTime_validTo=until) for row, until in LEVELS),
    )
    for id, title, facts, systems in SETS:
        about = (
            f"{title[0]}: what the programme uses of the code system. Vietnamese words are this project's translation."
        )
        yield value_set(PROGRAMME, id, title, about, facts, *(listed(name, rows) for name, rows in systems))


def system(id: str, title: Text, about: str, facts: Facts, concepts: Iterable[Json]) -> Iterator[Json]:
    """Yield a code system of the programme and the value set of all its codes."""
    yield code_system(PROGRAMME, id, title, about, facts, concepts)
    yield value_set(PROGRAMME, id, title, f"{title[0]}: all codes.", facts, {"system": f"{OWN}/CodeSystem/{id}"})
