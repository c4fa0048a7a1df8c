"""The columns to blame, in words."""

from typing import NamedTuple

__all__ = ["Reason", "reasons_of"]

_LEAST_SHARE = 0.05
_MOST_REASONS = 4


class Reason(NamedTuple):
    """A column's share in the anomaly of a row, its cell, and what it usually holds."""

    column: str
    share: float
    cell: str
    typical: str


def reasons_of(contributions, cells, typical):
    """Reasons for a row: its contributions (Series), its cells, and typical values."""
    total = contributions.sum()
    if not total > 0:
        return []
    shares = (contributions / total).sort_values(ascending=False, kind="stable")
    shares = shares[shares >= _LEAST_SHARE][:_MOST_REASONS]
    return [
        Reason(column, float(share), str(cells[column]), typical[column])
        for column, share in shares.items()
    ]
