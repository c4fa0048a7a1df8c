"""Tables of numbers, categories, dates and text codes as rows of numbers."""

from skdsm.tables.contributions import column_contributions
from skdsm.tables.encoder import TableEncoder

__all__ = ["TableEncoder", "column_contributions"]
