"""Invented Vietnamese names, with rough frequencies by sex, generation and ethnic group.

https://hl7.org/fhir/R4/datatypes.html#HumanName

The lists hold common names and the weights are estimates; a generated name that somebody bears is a coincidence.
"""

from typing import Final, NamedTuple

from examples.chance import Chance, Weighted


class Name(NamedTuple):
    """A name as it is written: family name first, then middle names, then the given name."""

    family: str | None  # None for people whose name has no family part
    middle: tuple[str, ...]
    given: str
    temporary: bool = False  # what a newborn is called until it has a name

    @property
    def text(self) -> str:
        """The whole name in Vietnamese order."""
        return " ".join(filter(None, (self.family, *self.middle, self.given)))

    @property
    def parts(self) -> list[str]:
        """What FHIR calls given names: the middle names and the given name."""
        return [*self.middle, self.given]


def _weights(text: str) -> Weighted[str]:
    pairs = (item.rsplit(" ", 1) for item in text.split(", "))
    return Weighted([(name, float(weight)) for name, weight in pairs])


FAMILY: Final = _weights(
    "Nguyễn 32, Trần 11, Lê 9.5, Phạm 7, Hoàng 4, Huỳnh 3, Phan 4.5, Vũ 3.6, Võ 3.2, Đặng 2.1, Bùi 2, "
    "Đỗ 1.4, Hồ 1.3, Ngô 1.3, Dương 1, Lý 0.5, Đinh 0.9, Trịnh 0.6, Đoàn 0.7, Mai 0.6, Lương 0.6, "
    "Trương 0.9, Cao 0.5, Hà 0.5, Tạ 0.3, Phùng 0.4, Tô 0.3, Lưu 0.3, Châu 0.2, Quách 0.1, Thái 0.2, "
    "Kiều 0.2, Nghiêm 0.1, La 0.1, Chu 0.3, Khổng 0.1, Doãn 0.1, Vương 0.2"
)
OLD_MALE: Final = _weights(
    "Văn 60, Đức 6, Hữu 6, Đình 5, Công 4, Xuân 4, Quang 4, Ngọc 3, Trọng 2, Bá 2, Viết 2, Duy 2"
)
OLD_FEMALE: Final = _weights("Thị 90, Thị Ngọc 3, Thị Kim 3, Thị Thu 2, Thị Thanh 2")
MALE: Final = _weights(
    "Minh 16, Gia 13, Đức 9, Quang 7, Anh 6, Tuấn 5, Bảo 6, Nhật 5, Hoàng 6, Thành 3, Đăng 5, Hải 3, Văn 7, "
    "Hữu 3, Duy 4, Quốc 4, Thiên 2, Khánh 2"
)
FEMALE: Final = _weights(
    "Thị 10, Ngọc 14, Bảo 9, Khánh 8, Minh 8, Phương 7, Thu 4, Quỳnh 5, Hà 5, Thùy 4, Gia 5, Thanh 5, Tuệ 4, "
    "Kim 3, An 3, Mai 3, Hoài 2, Thảo 2"
)
GIVEN_OLD_MALE: Final = _weights(
    "Hùng 7, Dũng 6, Cường 5, Tuấn 6, Hải 5, Sơn 5, Thắng 5, Bình 4, Long 4, Hòa 3, Minh 4, Nam 4, Tâm 3, "
    "Thành 5, Trung 4, Tiến 3, Toàn 3, Vinh 3, Quý 2, Phúc 3, Lâm 2, Hưng 3, Đạt 2, Kiên 2, Tú 2, Việt 2, "
    "Khoa 1, Phong 2, Tài 2, Lợi 2, Chiến 2, Thọ 1"
)
GIVEN_OLD_FEMALE: Final = _weights(
    "Hương 6, Lan 6, Hoa 5, Mai 5, Hà 5, Hằng 5, Thủy 5, Nga 4, Thu 4, Hạnh 4, Hiền 4, Loan 3, Dung 4, "
    "Yến 3, Phượng 3, Liên 3, Nhung 3, Oanh 2, Trang 4, Linh 3, Thảo 3, Hồng 4, Vân 3, Nguyệt 2, Tuyết 2, "
    "Xuân 2, Cúc 1, Đào 1, Huệ 2, Lý 1, Thơm 1, Bích 1"
)
GIVEN_MALE: Final = _weights(
    "Khang 8, An 6, Khôi 7, Bảo 6, Phúc 6, Anh 6, Minh 6, Huy 5, Đăng 4, Nam 4, Quân 4, Phong 4, Khoa 4, "
    "Nguyên 4, Long 4, Duy 3, Kiệt 3, Hưng 3, Đạt 3, Thịnh 3, Tùng 2, Việt 2, Sơn 2, Bách 2, Dũng 2, Hiếu 2, "
    "Lâm 2, Trí 2, Vũ 2"
)
GIVEN_FEMALE: Final = _weights(
    "Anh 9, An 5, Chi 6, Linh 6, Ngọc 5, Nhi 6, Châu 4, Hân 6, Vy 6, My 4, Thư 5, Trang 4, Hà 4, Mai 3, "
    "Ngân 4, Phương 3, Thảo 3, Trâm 3, Uyên 3, Yến 3, Diệp 3, Như 3, Quỳnh 3, Khuê 2, Đan 2, Lam 2, Giang 2, "
    "Tâm 1"
)

# Family names of the larger ethnic groups; where none is listed here, people bear the names above.
ETHNIC_FAMILY: Final = {
    "02": _weights("Hoàng 20, Nông 22, Lý 8, Triệu 8, Ma 7, Hà 8, Lương 8, Nguyễn 15, Vi 4"),
    "03": _weights("Lò 28, Quàng 12, Cà 9, Tòng 9, Lường 9, Vì 8, Hà 8, Lương 8, Lô 5, Vi 4"),
    "05": _weights("Thạch 24, Sơn 15, Kim 13, Danh 14, Lâm 12, Châu 9, Kiên 5, Trần 8"),
    "06": _weights("Bùi 40, Đinh 18, Quách 14, Hà 10, Phạm 9, Nguyễn 9"),
    "07": _weights("Nông 25, Hoàng 20, Lương 11, Hứa 8, Vi 9, Lục 6, Chu 8, Triệu 8, Mông 5"),
    "08": _weights("Giàng 20, Vàng 16, Sùng 15, Thào 14, Mùa 9, Lầu 8, Hờ 7, Ly 6, Má 5"),
    "09": _weights("Triệu 25, Bàn 18, Đặng 18, Phùng 14, Lý 13, Chảo 7, Tẩn 5"),
}
# Names of one word with the mark of sex before it.
MARKED: Final = {
    "male": ("Y", _weights("Blim 2, Thương 2, Khoa 2, Nam 1, Phong 1, Bhem 1, Thân 1, Jut 1, Kli 1, Wan 1")),
    "female": ("H'", _weights("Linh 2, Hương 2, Ngọc 1, Mai 1, Wen 1, Bia 1, Nga 1, Duyên 1, Yin 1, Rim 1")),
}
MARKED_GROUPS: Final = frozenset({"10", "12", "20"})  # Gia Rai, Ê Đê, Mnông
HMONG: Final = "08"
HMONG_MIDDLE: Final = {"male": "A", "female": "Thị"}


def name(chance: Chance, gender: str, year: int, ethnic_group: str, family: str | None = None) -> Name:
    """Invent the name of a person born in `year`; `family` is the family name that a child has from its father."""
    if ethnic_group in MARKED_GROUPS:
        mark, names = MARKED[gender]
        given = chance.pick(names)
        return Name(None, (), f"{mark}{given}" if mark.endswith("'") else f"{mark} {given}")
    family = family or chance.pick(ETHNIC_FAMILY.get(ethnic_group, FAMILY))
    old = year < 1998
    if gender == "male":
        middle, given = chance.pick(OLD_MALE if old else MALE), chance.pick(GIVEN_OLD_MALE if old else GIVEN_MALE)
    else:
        middle, given = (
            chance.pick(OLD_FEMALE if old else FEMALE),
            chance.pick(GIVEN_OLD_FEMALE if old else GIVEN_FEMALE),
        )
    if ethnic_group == HMONG:
        middle = HMONG_MIDDLE[gender]
    if middle == given:
        middle = "Gia" if given != "Gia" else "Minh"
    return Name(family, tuple(middle.split()), given)
