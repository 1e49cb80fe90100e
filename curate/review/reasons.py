"""Why an example is rejected: the key that a reviewer presses, and the name that stands in the log and in its export."""

from typing import NamedTuple


class Reason(NamedTuple):
    """`key` is 1 to 9; `name` never changes, whatever language an interface speaks."""

    key: int
    name: str


REASONS = (
    Reason(1, "wrong or misleading"),
    Reason(2, "incomplete"),
    Reason(3, "not self-contained"),
    Reason(4, "style or tone"),
    Reason(5, "off topic or low value"),
    Reason(6, "duplicate"),
    Reason(7, "unsafe or personal data"),
    Reason(8, "formatting broken"),
    Reason(9, "other"),
)
NAMES = {reason.key: reason.name for reason in REASONS}
