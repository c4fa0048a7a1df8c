"""The plane of two features on which a picture shows a function of all of them."""

from typing import NamedTuple

import numpy as np

from skdsm.display._model import Table

__all__ = ["Plane"]


class Plane(NamedTuple):
    """A grid (`xx0`, `xx1`) over the two features `pair`, through a reference row.

    The others have the reference's values; `note` says so in the picture.
    """

    table: Table
    pair: list
    reference: np.ndarray
    xx0: np.ndarray
    xx1: np.ndarray
    note: str | None

    @classmethod
    def through(cls, table, features, reference, grid_resolution, margin):
        """Lay a grid over the rows of a table.

        `reference` is "median", "mean" or a row; the grid reaches `margin` times the
        range of the rows beyond them.
        """
        if len(table.names) < 2:
            raise ValueError("A plane needs rows of at least two features, got one.")
        if isinstance(features, str) or len(features) != 2:
            raise ValueError(f"features must be a pair, got {features!r}.")
        if grid_resolution < 2:
            raise ValueError(
                f"grid_resolution must be at least 2, got {grid_resolution!r}."
            )
        if margin < 0:
            raise ValueError(f"margin must not be negative, got {margin!r}.")
        pair = table.feature_indices(features)
        row, origin = _reference(table, reference)
        axes = [_axis(table.rows[:, j], grid_resolution, margin) for j in pair]
        n_others = len(table.names) - 2
        others = "1 other" if n_others == 1 else f"{n_others} others"
        note = f"slice: {others} {origin}" if n_others else None
        return cls(table, pair, row, *np.meshgrid(*axes), note)

    @property
    def labels(self):
        """Names of the two features: of the axes."""
        return [self.table.names[j] for j in self.pair]

    def grid(self):
        """One row per grid point, in the container that the table came in."""
        rows = np.tile(self.reference, (self.xx0.size, 1))
        rows[:, self.pair] = np.column_stack([self.xx0.ravel(), self.xx1.ravel()])
        return self.table.like(rows)


def _axis(values, grid_resolution, margin):
    low, high = np.nanmin(values), np.nanmax(values)
    reach = margin * (high - low) if high > low else 0.5
    return np.linspace(low - reach, high + reach, grid_resolution)


def _reference(table, reference):
    """Give the other features' values, and words for where they are from."""
    if isinstance(reference, str):
        if reference not in ("median", "mean"):
            raise ValueError(
                f"reference must be 'median', 'mean' or a row, got {reference!r}."
            )
        function = np.nanmedian if reference == "median" else np.nanmean
        return function(table.rows, axis=0), f"at the {reference}"
    row = np.asarray(reference, dtype=np.float64)
    if row.shape != (len(table.names),):
        raise ValueError(
            f"reference must have {len(table.names)} values, one per feature, got "
            f"shape {row.shape}."
        )
    return row, "as in a given row"
