"""
Denoising digits
================

A denoising autoencoder denoises: ``reconstruct`` estimates the clean row from a noisy
one. The rows here are images of handwritten digits. To the model they are 64 numbers
each: it is not told which pixels are neighbours, nor which digit is shown.
"""

# %%
# The data
# --------
# Gray levels run from 0 to 1. All pixels share that unit, so they are not scaled one by
# one: noise should be as strong in one as in another.

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

images, digits = load_digits(return_X_y=True)
X, X_test, _, y_test = train_test_split(
    images / 16, digits, test_size=0.3, random_state=0, stratify=digits
)
sigma = 0.3
rng = np.random.default_rng(0)
X_noisy = X_test + sigma * rng.standard_normal(X_test.shape)
print(f"{len(X)} images to learn from, {len(X_test)} others to denoise")
print(f"mean standard deviation of a pixel: {X.std(axis=0).mean():.2f}; noise: {sigma}")

# %%
# Denoise
# -------
# Two other denoisers, for comparison. The best linear one uses the mean and the
# covariance of the pixels. The ideal denoiser of the Parzen density is what the model
# is trained to match. It averages the training images, each weighted by how probable it
# is that the noisy image came from it.

from skdsm import DenoisingScoreMatcher
from skdsm.model.parzen import parzen_posterior_mean

matcher = DenoisingScoreMatcher(64, sigma=sigma, gains="learned", random_state=0)
matcher.fit(X)


def linear_denoiser(rows):
    mean, covariance = X.mean(axis=0), np.cov(X, rowvar=False)
    gain = np.linalg.solve(covariance + sigma**2 * np.eye(64), covariance)
    return mean + (rows - mean) @ gain


rows = {
    "clean": X_test,
    "noisy": X_noisy,
    "linear": linear_denoiser(X_noisy),
    "Parzen": parzen_posterior_mean(X_noisy, X, sigma),
    "model": matcher.reconstruct(X_noisy),
}
errors = {
    name: np.sqrt(np.mean((denoised - X_test) ** 2)) for name, denoised in rows.items()
}
print("root mean square error of a pixel, on images that were not seen")
for name in ("noisy", "linear", "Parzen", "model"):
    print(f"{name:8}{errors[name]:.3f}")

# %%
# With 64 hidden units the model comes nearer to the new images than the ideal denoiser,
# which knows the training images only, and returns averages of them.
#
# The picture
# -----------
# The first test image of each digit.

import matplotlib.pyplot as plt

shown = np.concatenate([np.flatnonzero(y_test == digit)[:1] for digit in range(10)])


def tile(ax, pictures, n_columns, **kwargs):
    """Draw 8 by 8 pictures side by side, with a gap of one pixel."""
    n_rows = -(-len(pictures) // n_columns)
    canvas = np.full((9 * n_rows - 1, 9 * n_columns - 1), np.nan)
    for i, picture in enumerate(pictures):
        row, column = 9 * np.array(divmod(i, n_columns))
        canvas[row : row + 8, column : column + 8] = picture.reshape(8, 8)
    ax.set_axis_off()
    return ax.imshow(canvas, **kwargs)


fig, axes = plt.subplots(5, figsize=(7.5, 4.6), layout="constrained")
for ax, (name, pictures) in zip(axes, rows.items(), strict=True):
    tile(ax, pictures[shown], 10, cmap="gray_r", vmin=0, vmax=1)
    label = name if name == "clean" else f"{name}\n{errors[name]:.3f}"
    ax.text(-1.5, 3.5, label, ha="right", va="center", fontsize=12)
fig.suptitle("Root mean square error of a pixel, over all test images", fontsize=12)
plt.show()

# %%
# What the hidden units look for
# ------------------------------
# A row of ``components_`` is a picture too. Its unit is switched on by images that are
# dark where it is red and light where it is blue, and adds this picture, times its
# gain, to the reconstruction. Here are the 40 units that move reconstructions the most.

H = matcher.transform(X_noisy)
strength = H.std(axis=0) * np.abs(matcher.gains_)
strength *= np.linalg.norm(matcher.components_, axis=1)
strongest = np.argsort(-strength)[:40]
pictures = matcher.components_[strongest]
pictures = pictures / np.abs(pictures).max(axis=1, keepdims=True)
print(f"gains are between {matcher.gains_.min():.2f} and {matcher.gains_.max():.2f}")

fig, ax = plt.subplots(figsize=(7.5, 3.4), layout="constrained")
image = tile(ax, pictures, 10, cmap="RdBu_r", vmin=-1, vmax=1)
fig.colorbar(image, label="weight, relative to the largest", aspect=30)
plt.show()
