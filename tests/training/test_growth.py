"""Growth of the sample: it goes on where it pays, and ends where it does not."""

import numpy as np
import pytest
from support.quick_fits import two_clusters

from skdsm import DenoisingScoreMatcher
from skdsm.training.growth import Growth, gain_of_growth
from skdsm.training.schedule import Schedule, Stage

pytestmark = pytest.mark.filterwarnings(
    "ignore:Training did not converge:sklearn.exceptions.ConvergenceWarning"
)


def losses_after(sizes, c=50.0, least=2.0, noise=0.0, seed=0):
    """Losses (k, 2) of groups by the law ``least + c / n``; both have one level."""
    rng = np.random.default_rng(seed)
    group = rng.standard_normal((32, 1))
    return least + group + c / np.array(sizes) + noise * rng.standard_normal((32, 2))


def test_gain_is_what_the_law_says():
    n, N = 4000, 64_000
    gain, error = gain_of_growth(losses_after([n // 4, n]), 4, N / n)
    np.testing.assert_allclose(gain, 50 / n - 50 / N)
    assert error < 1e-12


def test_error_is_the_standard_error_over_repetitions():
    """Of groups that are compared with themselves: their own level does not count."""
    repeated = [
        gain_of_growth(losses_after([1000, 4000], noise=0.1, seed=seed), 4, 16)
        for seed in range(400)
    ]
    gains, errors = np.transpose(repeated)
    np.testing.assert_allclose(np.median(errors), gains.std(), rtol=0.15)


class Told:
    """Risks of groups that fall by the law, with the size of the stage that ended."""

    def __init__(self, c, noise=0.0):
        self.c, self.noise = c, noise
        self.rng = np.random.default_rng(0)

    def __call__(self, stage):
        def risk(size):
            return 2 + self.c / size + self.noise * self.rng.standard_normal(), None

        return [risk] * 32


@pytest.mark.parametrize(
    ("c", "noise", "expected"),
    [(1e5, 0.0, 1_000_000), (1.0, 0.0, 131_072), (2e3, 1.0, 131_072)],
    ids=["pays", "does not pay", "is not seen for noise"],
)
def test_sample_grows_only_where_unseen_rows_say_so(c, noise, expected):
    plan = Schedule(1_000_000, 4, 2048)
    growth = Growth(plan, 256, Told(c, noise), identity_loss=4.0, tol=1e-3)
    stage = plan.first()
    while stage is not None:
        last = stage
        # the "parameters" are the number of corrupted rows that they were fitted to
        stage = growth.next_stage(stage, False, stage.size)
    assert last.n_rows == expected


def test_nothing_is_asked_where_rows_are_few():
    def asked(stage):
        raise AssertionError("unseen rows were asked")

    plan = Schedule(100_000, 4, 2048)
    growth = Growth(plan, 0, asked, identity_loss=4.0, tol=1e-3)
    stage, stages = plan.first(), []
    while stage is not None:
        stages.append(stage)
        stage = growth.next_stage(stage, False, 0)
    assert stages[-1] == Stage(100_000, 4)


@pytest.fixture
def few_are_unquestioned(monkeypatch):
    monkeypatch.setattr("skdsm.training.schedule.UNQUESTIONED_ROWS", 2000)


@pytest.mark.usefixtures("few_are_unquestioned")
def test_fit_tells_how_many_rows_were_enough():
    X = two_clusters(n_samples=30_000, n_features=2)
    matcher = DenoisingScoreMatcher(4, sigma=0.5, random_state=0).fit(X)
    assert 2000 <= matcher.sample_size_ < 30_000
    # and it is as good as the fit to all rows
    every = DenoisingScoreMatcher(4, sigma=0.5, random_state=0, tol=0.0, max_iter=600)
    every.fit(X)
    noisy = X + 0.5 * np.random.default_rng(1).standard_normal(X.shape)
    losses = [np.mean((m.reconstruct(noisy) - X) ** 2) for m in (matcher, every)]
    assert losses[0] < 1.01 * losses[1]


def test_all_rows_count_once_where_all_are_used():
    X = two_clusters(n_samples=300, n_features=2)
    fit = DenoisingScoreMatcher(4, max_iter=5, random_state=0).fit
    assert fit(X).sample_size_ == 300
    assert fit(np.repeat(X, 3, axis=0)).sample_size_ == 300
    holes = X.copy()
    holes[:50, 0] = np.nan
    assert fit(holes).sample_size_ == 300
