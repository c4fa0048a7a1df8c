"""What the pictures have in common: colours, axes, legends, levels."""

import numpy as np
from sklearn.utils import check_random_state

__all__ = [
    "BLACK",
    "BLUE",
    "ORANGE",
    "PALETTE",
    "dot_size",
    "draw_heights",
    "draw_rows",
    "energy_levels",
    "legend_above",
    "name_axes",
    "new_axes",
    "subsample_rows",
    "with_defaults",
]

# Okabe and Ito's colours, which colour-blind readers tell apart too
BLUE, ORANGE, BLACK = "#0072B2", "#D55E00", "black"
PALETTE = [BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", BLACK]

_LOWEST_STEP = 0.5  # of the energy: finer differences in density are of no interest
_DARKEST = 0.7  # of the colormap: black rows stay visible on it


def with_defaults(defaults, kw, artist):
    """Default keyword arguments of an artist, unless the caller has others."""
    from matplotlib.cbook import normalize_kwargs

    kw = normalize_kwargs(kw, artist)
    if kw.keys() & {"c", "color"}:  # Matplotlib takes one kind of colour at a time
        kinds = {"c", "color", "facecolor", "edgecolor"}
        defaults = {k: v for k, v in defaults.items() if k not in kinds}
    return defaults | kw


def new_axes(ax):
    """The axes, or the axes of a new figure if there are none."""
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(layout="constrained")
    return ax


def name_axes(ax, xx0, xx1, xlabel, ylabel):
    """Label axes, and limit them to a grid; a label of None leaves what there is."""
    ax.set(xlim=xx0[0, [0, -1]], ylim=xx1[[0, -1], 0])
    if xlabel is not None:
        ax.set_xlabel(xlabel)
    if ylabel is not None:
        ax.set_ylabel(ylabel)


def legend_above(ax, handles, title=None):
    """Put a legend above axes, where it covers nothing, in as few lines as fit."""
    width = ax.get_window_extent().width
    for n_columns in range(len(handles), 0, -1):
        legend = ax.legend(
            handles=handles,
            title=title,
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=n_columns,
            frameon=False,
            fontsize="small",
            title_fontsize="small",
            alignment="left",
            borderaxespad=0.1,
            columnspacing=1.2,
            handlelength=1.2,
            handletextpad=0.5,
        )
        # or a constrained layout would make room for it at the cost of the axes
        if legend.get_window_extent().width <= width:
            break
    return legend


def subsample_rows(n_rows, subsample, random_state):
    """Positions, ascending, of at most `subsample` random rows; None is all."""
    if subsample is None or n_rows <= subsample:
        return np.arange(n_rows)
    if subsample < 0:
        raise ValueError(f"subsample must not be negative, got {subsample!r}.")
    chosen = check_random_state(random_state).permutation(n_rows)[:subsample]
    return np.sort(chosen)


def energy_levels(heights):
    """Levels above the lowest energy, close where it is low: 0, 0.5, 1, 2, 5, ..."""
    top = np.max(heights[np.isfinite(heights)], initial=0)
    if top == 0:
        return np.array([0.0, 1.0])
    bottom = min(_LOWEST_STEP, top / 10)
    decades = 10.0 ** np.arange(np.floor(np.log10(bottom)), np.ceil(np.log10(top)))
    steps = np.outer(decades, [1, 2, 5]).ravel()
    return np.concatenate([[0], steps[(steps >= bottom) & (steps < top)]])


def draw_heights(ax, xx0, xx1, energy, levels, kw):
    """Fill the levels of an energy on a grid: the lower, the darker."""
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm

    height = energy - energy.min()
    if levels is None:
        levels = energy_levels(height)
    kw = {"levels": levels, "extend": "max"} | (kw or {})
    n_colors = len(kw["levels"])
    if not kw.keys() & {"cmap", "colors"}:
        kw["colors"] = colormaps["Blues"](np.linspace(_DARKEST, 0, n_colors))
    elif "cmap" in kw and "norm" not in kw:
        # as many colours to a level near the lowest as to one far up
        kw["norm"] = BoundaryNorm(kw["levels"], 256, extend=kw["extend"])
    return ax.contourf(xx0, xx1, height, **kw)


def dot_size(n_rows):
    """Area of dots in squared points: small where there are many."""
    return float(np.clip(3000 / max(n_rows, 1), 4, 20))


def draw_rows(ax, points, kw, **defaults):
    """Draw rows (n_rows, 2) as dots, smaller where there are many."""
    from matplotlib.collections import PathCollection

    defaults = {"s": dot_size(len(points)), "alpha": 0.7, "linewidth": 0} | defaults
    return ax.scatter(*points.T, **with_defaults(defaults, kw, PathCollection))
