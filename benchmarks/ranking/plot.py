"""Critical-difference diagram: mean ranks on an axis, bars over what no test parts."""

import numpy as np

from ranking.summary import complete, mean_over_seeds, ranks, undistinguished

__all__ = ["plot_ranks", "save_ranks"]


def save_ranks(path, results, detectors):
    """Draw a panel for each protocol.

    Parameters
    ----------
    path : path-like
        Where to; the suffix says the format.
    results : dict of list of dict
        By protocol.
    detectors : sequence of str
        Those to draw, where they have a result on every data set.

    Raises
    ------
    ValueError
        If fewer than two of them have.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        len(results), squeeze=False, figsize=(8, 3.6 * len(results)), layout="tight"
    )
    for ax, (protocol, entries) in zip(axes[:, 0], results.items(), strict=True):
        table = mean_over_seeds(entries, "roc_auc")
        names, values = complete(table, detectors)
        if len(names) < 2:
            raise ValueError(
                f"{protocol}: a diagram needs two detectors with results on every "
                "data set"
            )
        plot_ranks(ax, names, values)
        ax.set_title(f"{protocol}: mean rank by ROC AUC, {len(values)} data sets")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def plot_ranks(ax, names, values):
    """Draw mean ranks: the better half is named on the left, the rest on the right.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    names : list of str
    values : ndarray of shape (n_data, n_names)
        Larger is better.
    """
    rank = ranks(values)
    order = np.argsort(rank, kind="stable")
    groups = undistinguished(values)
    n, half = len(names), (len(names) + 1) // 2
    below = 0.3 + 0.22 * len(groups)  # where labels begin
    for place, i in enumerate(order):
        left = place < half
        line = place if left else n - 1 - place
        y = below + 0.45 * line
        end = 0.7 if left else n + 0.3
        ax.plot([rank[i], rank[i], end], [0, y, y], color="0.3", lw=0.8)
        text = f"{names[i]}  {rank[i]:.2f}" if left else f"{rank[i]:.2f}  {names[i]}"
        ax.text(end, y, f" {text} ", ha="right" if left else "left", va="center")
    for level, group in enumerate(groups):
        y = 0.25 + 0.22 * level
        ends = rank[group].min() - 0.05, rank[group].max() + 0.05
        ax.plot(ends, [y, y], color="C0", lw=3, solid_capstyle="butt")
    ax.set(xlim=(1, n), ylim=(below + 0.45 * half, 0), yticks=[])
    ax.set_xticks(range(1, n + 1))
    ax.xaxis.tick_top()
    ax.spines[["left", "right", "bottom"]].set_visible(False)
    for artist in (*ax.lines, *ax.texts):
        artist.set_clip_on(False)
