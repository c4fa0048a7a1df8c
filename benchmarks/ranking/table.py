"""Results as text."""

from collections import Counter

import numpy as np

from ranking.summary import (
    complete,
    deviation_over_seeds,
    mean_over_seeds,
    ranks,
    wins,
)

__all__ = ["data_table", "summary_table"]


def data_table(results, measure, detectors):
    """A row for each data set; the best of a row has a star.

    Parameters
    ----------
    results : list of dict
        Of one protocol.
    measure : str
        Key of the results; larger is better.
    detectors : sequence of str
        Columns, those without results left out.

    Returns
    -------
    str
    """
    table = mean_over_seeds(results, measure)
    columns = [name for name in detectors if any(name in row for row in table.values())]
    widths = [max(8, len(name)) for name in columns]
    sizes = {r["data"]: (r["n_train"], r["n_features"], r["share"]) for r in results}
    lines = [
        f"{'':12s} {'train':>5s} {'d':>3s} {'share':>5s}"
        + "".join(f" {name:>8s}" for name in columns)
    ]
    for name, row in sorted(table.items(), key=lambda item: item[0].lower()):
        n_train, n_features, share = sizes[name]
        best = max(row.values())
        cells = (_cell(row.get(column), best) for column in columns)
        lines.append(
            f"{name[:12]:12s} {n_train:5d} {n_features:3d} {share:5.3f}"
            + "".join(
                f" {cell:>{width}s}" for cell, width in zip(cells, widths, strict=True)
            )
        )
    return "\n".join(lines)


def _cell(value, best):
    if value is None:
        return "-"
    return f"{value:.3f}{'*' if value == best else ' '}"


def summary_table(results, detectors):
    """A row for each detector with a result on every data set, best mean rank first.

    The number of seeds is that of the data set with the fewest. "+/-" is the standard
    deviation over seeds of the mean ROC AUC: what another seed changes.
    """
    roc_auc = mean_over_seeds(results, "roc_auc")
    names, values = complete(roc_auc, detectors)
    width = max([8, *map(len, names)])
    lines = [
        f"{'':{width}s} {'ROC AUC':>8s} {'+/-':>6s} {'avg prec':>8s} {'rank':>6s} "
        f"{'wins':>5s} {'fit, s':>8s} {'score, us/row':>13s} {'seeds':>5s}"
    ]
    if not names:
        return lines[0]
    others = {
        key: complete(mean_over_seeds(results, key), names)[1].mean(axis=0)
        for key in ("average_precision", "fit_seconds", "score_microseconds")
    }
    rank, won = ranks(values), wins(values)
    for i in np.argsort(rank, kind="stable"):
        seeds = Counter(r["data"] for r in results if r["detector"] == names[i])
        lines.append(
            f"{names[i]:{width}s} {values[:, i].mean():8.4f} "
            f"{deviation_over_seeds(results, 'roc_auc', names[i]):6.4f} "
            f"{others['average_precision'][i]:8.4f} {rank[i]:6.2f} {won[i]:5.1f} "
            f"{others['fit_seconds'][i]:8.2f} "
            f"{others['score_microseconds'][i]:13.1f} {min(seeds.values()):5d}"
        )
    seen = {result["detector"] for result in results}
    left_out = [name for name in detectors if name in seen and name not in names]
    if left_out:
        lines.append(f"not on every data set, so left out: {', '.join(left_out)}")
    return "\n".join(lines)
