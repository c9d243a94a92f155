"""The one error of this package: input that is not what it claims to be.

https://github.com/ehn-dcc-development/eu-dcc-hcert-spec/blob/main/hcert_spec.md
"""


class Refused(ValueError):
    """Bytes, text or a key that cannot be used: a stable kebab-case `code` and an English `detail`."""

    def __init__(self, code: str, detail: str):
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
