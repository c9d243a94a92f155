"""Laws are tried without a clock."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("unhurried")
