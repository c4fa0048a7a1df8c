"""
Finding digits that do not belong
=================================

Ten piles of handwritten digits. In each, some ninety images show the same digit, and
nine are intruders, one of every other digit. A model that was fitted to ninety more
images of that digit, and to no intruder, ranks the pile by its energy. The intruders
should come last.

The images have 8 by 8 pixels. The model takes each for a row of 64 numbers: it is not
told which pixels are neighbours. Images are used here because everyone can judge the
ranking by eye; a table of measurements follows at the end.

No label is used for fitting, and nothing is tuned: every detector has its default
parameters.
"""

# %%
# The tasks
# ---------
# A task is a table of training rows, a table of rows to rank, and which of these are
# anomalies.

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits


def split(X, normal, anomalies, rng):
    """Train on half of the normal rows; rank the other half and the anomalies."""
    train, rest = np.array_split(rng.permutation(normal), 2)
    is_anomaly = np.repeat([False, True], [len(rest), len(anomalies)])
    return X[train], X[np.concatenate([rest, anomalies])], is_anomaly


def pile_of_digits(digit):
    """One digit, and an intruder of each other one."""
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(digit)
    images = [np.flatnonzero(y == label) for label in range(10)]
    intruders = [rng.choice(images[other]) for other in range(10) if other != digit]
    return split(X, images[digit], intruders, rng)


piles = [pile_of_digits(digit) for digit in range(10)]

# %%
# The detectors
# -------------
# Distances depend on the scale of the columns, and so does the noise level of
# :class:`~skdsm.DenoisingScoreMatcher`: a scaler comes first, for all of them.
#
# In scikit-learn a high ``score_samples`` means a normal row. Metrics such as
# :func:`~sklearn.metrics.roc_auc_score`, with anomalies labelled 1, want the opposite,
# so the sign is changed. What is left is the energy, in the case of our model.

from time import perf_counter

from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity, LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from skdsm import DenoisingScoreMatcher

detectors = {
    "DenoisingScoreMatcher": DenoisingScoreMatcher(random_state=0),
    "IsolationForest": IsolationForest(random_state=0),
    "LocalOutlierFactor": LocalOutlierFactor(novelty=True),
    "OneClassSVM": OneClassSVM(),
    "KernelDensity": KernelDensity(),
    "GaussianMixture": GaussianMixture(random_state=0),
}


def rank(detector, train, ranked):
    """Give a high number to anomalies, and the seconds for fitting and for ranking."""
    model = make_pipeline(StandardScaler(), detector)
    start = perf_counter()
    model.fit(train)
    fitted = perf_counter()
    anomaly = -model.score_samples(ranked)
    return anomaly, fitted - start, perf_counter() - fitted


def compare(tasks):
    """Print means over tasks, with standard errors; return what was ranked how."""
    print(" " * 28 + "ROC AUC   average precision     fit (s)   rank (ms)")
    anomaly = {}
    for name, detector in detectors.items():
        results = [rank(detector, train, ranked) for train, ranked, _ in tasks]
        anomaly[name], fit_time, rank_time = zip(*results, strict=True)
        cells = []
        for metric in (roc_auc_score, average_precision_score):
            values = [
                metric(is_anomaly, score)
                for (*_, is_anomaly), score in zip(tasks, anomaly[name], strict=True)
            ]
            error = np.std(values, ddof=1) / np.sqrt(len(values))
            cells.append(f"{np.mean(values):.3f} ± {error:.3f}")
        cells += [f"{np.mean(fit_time):.3f}", f"{1000 * np.mean(rank_time):.1f}"]
        print(f"{name:22}{cells[0]:>13}{cells[1]:>20}{cells[2]:>12}{cells[3]:>12}")
    return anomaly


print("One digit is normal, mean over ten piles")
anomaly = compare(piles)

# %%
# Every detector finds most of the intruders. The standard errors are larger than the
# differences between the best ones, so there is no clear winner.
# ``DenoisingScoreMatcher`` takes by far the longest to fit.
#
# The picture
# -----------
# Each row is a pile. The energy rises from left to right: the five most normal images,
# then the nine least normal ones, the intruders among them framed in orange. A ranking
# without a mistake frames all nine. On the right is the energy of the whole pile.

import matplotlib.pyplot as plt

BLUE, ORANGE = "#0072B2", "#D55E00"  # told apart by colour-blind readers too
N_FIRST, N_LAST = 5, 9


def draw_images(ax, row, pile, is_intruder, energy):
    ascending = np.argsort(energy)
    shown = np.concatenate([ascending[:N_FIRST], ascending[-N_LAST:]])
    for column, image in enumerate(shown):
        left = column + (column >= N_FIRST)
        extent = (left + 0.08, left + 0.92, row + 0.92, row + 0.08)
        ax.imshow(pile[image].reshape(8, 8), cmap="gray_r", extent=extent)
        color, width = (ORANGE, 2) if is_intruder[image] else ("0.8", 1)
        frame = plt.Rectangle(
            (left + 0.08, row + 0.08), 0.84, 0.84, fill=False, ec=color, lw=width
        )
        ax.add_patch(frame)
    ax.text(N_FIRST + 0.5, row + 0.5, "···", ha="center", va="center", fontsize=16)


def draw_energies(ax, row, is_intruder, energy):
    excess = np.maximum(energy - energy.min(), 1)
    counts, edges = np.histogram(excess[~is_intruder], np.geomspace(1, 1e5, 51))
    base = row + 0.92
    heights = base - 0.8 * counts / counts.max()
    ax.axhline(base, color="0.8", lw=1)
    digit = ax.stairs(heights, edges, baseline=base, fill=True, color=BLUE)
    intruder = ax.vlines(excess[is_intruder], row + 0.32, base, color=ORANGE, lw=2)
    return digit, intruder


fig, (left, right) = plt.subplots(
    ncols=2, sharey=True, figsize=(8.8, 4.8), width_ratios=[16, 7], layout="constrained"
)
for digit, (_, pile, is_intruder) in enumerate(piles):
    energy = anomaly["DenoisingScoreMatcher"][digit]
    draw_images(left, digit, pile, is_intruder, energy)
    handles = draw_energies(right, digit, is_intruder, energy)

left.set(xlim=(0, N_FIRST + 1 + N_LAST), ylim=(10, 0), aspect="auto")
left.set_yticks(np.arange(10) + 0.5, [f"pile of {digit}s" for digit in range(10)])
left.set_xticks(
    [N_FIRST / 2, N_FIRST + 1 + N_LAST / 2],
    ["most normal", "least normal"],
)
left.xaxis.tick_top()
left.set_xlabel("each model was fitted to other images of its digit", fontsize=12)
right.set(xscale="log", xlim=(1, 1e5))
right.set_xlabel("energy above the lowest", fontsize=12)
right.legend(
    handles,
    ["the pile's digit", "intruder"],
    loc="lower center",
    bbox_to_anchor=(0.5, 1),
    ncols=2,
    fontsize=12,
    frameon=False,
)
for ax in (left, right):
    ax.tick_params(which="both", length=0, labelsize=12)
    ax.spines[:].set_visible(False)
fig.suptitle("Which images do not belong in the pile?", fontsize=15)

if "__file__" in globals():  # run as a script; the gallery shows the figure itself
    fig.savefig("anomaly_ranking.png", dpi=150)
    print("The picture is in anomaly_ranking.png")
plt.show()

# %%
# A table of measurements
# -----------------------
# The same on thirty measurements of breast tumours: benign ones are normal, malignant
# ones are the anomalies.

X, y = load_breast_cancer(return_X_y=True)
malignant, benign = np.flatnonzero(y == 0), np.flatnonzero(y == 1)
tumours = [
    split(X, benign, malignant, np.random.default_rng(seed)) for seed in range(5)
]

print("Benign tumours are normal, mean over five splits")
_ = compare(tumours)

# %%
# Here the differences are small too, and a single Gaussian is ahead.
