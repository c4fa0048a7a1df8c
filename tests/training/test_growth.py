"""Growth of the sample: it goes on where it pays, and ends where it does not."""

import tracemalloc

import numpy as np
import pytest
from sklearn import config_context
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


def last_stage(plan, risks):
    """Where growth ends if no stage improves by much.

    The "parameters" are the number of corrupted rows that they were fitted to.
    """
    growth = Growth(plan, 256, risks, identity_loss=4.0, tol=1e-3)
    stage = plan.first()
    while stage is not None:
        last = stage
        stage = growth.next_stage(stage, False, stage.size)
    return last


@pytest.mark.parametrize(
    ("c", "noise", "expected"),
    [(1e5, 0.0, 1_000_000), (1.0, 0.0, 131_072), (2e3, 1.0, 131_072)],
    ids=["pays", "does not pay", "is not seen for noise"],
)
def test_sample_grows_only_where_unseen_rows_say_so(c, noise, expected):
    last = last_stage(Schedule(1_000_000, 4, 2048), Told(c, noise))
    assert last.n_rows == expected


def test_nothing_is_asked_where_rows_are_few():
    def asked(stage):
        raise AssertionError("unseen rows were asked")

    assert last_stage(Schedule(8000, 4, 2048), asked) == Stage(8000, 4)


@pytest.mark.parametrize(("c", "expected"), [(1.0, 1), (1e4, 4)])
def test_more_copies_of_all_rows_must_pay_where_these_are_many(c, expected):
    last = last_stage(Schedule(100_000, 4, 2048), Told(c))
    assert last == Stage(100_000, expected)


@pytest.fixture
def few_are_unquestioned(monkeypatch):
    monkeypatch.setattr("skdsm.training.schedule.UNQUESTIONED_ROWS", 2000)
    monkeypatch.setattr("skdsm.training.schedule.UNQUESTIONED_SIZE", 2000)


@pytest.mark.usefixtures("few_are_unquestioned")
def test_fit_tells_how_many_rows_were_enough(monkeypatch):
    X = two_clusters(n_samples=30_000, n_features=2)
    matcher = DenoisingScoreMatcher(4, sigma=0.5, random_state=0).fit(X)
    assert 2000 <= matcher.sample_size_ < 30_000
    # and it is as good as the fit to all rows, which differs in nothing else
    monkeypatch.setattr("skdsm.training.schedule.UNQUESTIONED_ROWS", 30_000)
    monkeypatch.setattr("skdsm.training.schedule.UNQUESTIONED_SIZE", 2**15)
    every = DenoisingScoreMatcher(4, sigma=0.5, random_state=0).fit(X)
    assert every.sample_size_ == 30_000
    noisy = X + 0.5 * np.random.default_rng(1).standard_normal(X.shape)
    losses = [np.mean((m.reconstruct(noisy) - X) ** 2) for m in (matcher, every)]
    assert losses[0] < 1.01 * losses[1]


def in_memory(X, tmp_path, monkeypatch):
    return X


def in_a_file(X, tmp_path, monkeypatch):
    np.save(tmp_path / "X.npy", X)
    return np.load(tmp_path / "X.npy", mmap_mode="r")


def in_dask(X, tmp_path, monkeypatch):
    da = pytest.importorskip("dask.array")
    return da.from_array(X, chunks=(4000, -1))


def on_a_device(X, tmp_path, monkeypatch):
    strict = pytest.importorskip("array_api_strict")
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    return strict.asarray(X, device=strict.Device("device1"))


@pytest.mark.usefixtures("few_are_unquestioned")
@pytest.mark.parametrize("place", [in_memory, in_a_file, in_dask, on_a_device])
@pytest.mark.parametrize("pays", [False, True], ids=["does not pay", "pays"])
def test_rows_of_every_kind_follow_one_schedule(place, pays, tmp_path, monkeypatch):
    """The unseen rows are read wherever they are; here their answer is given."""
    answers = iter([pays, False])
    read = []

    def answer(losses, factor, further):
        read.append(losses)
        return (1.0 if next(answers) else 0.0), 0.0

    monkeypatch.setattr("skdsm.training.growth.gain_of_growth", answer)
    X = two_clusters(n_samples=9000)
    X[::300] += 1000  # screened: so many rows less
    rows = place(X, tmp_path, monkeypatch)
    with config_context(working_memory=1, array_api_dispatch=place is on_a_device):
        matcher = DenoisingScoreMatcher(2, tol=0.1, max_iter=300, random_state=0)
        matcher.fit(rows)
    (losses, *_) = read
    assert np.isfinite(losses).all()
    assert losses.shape == (32, 2)
    n_used = len(X) - len(X[::300])
    # the schedule's rows, less the rows of a sample that are screened
    assert 0.95 * (8000 if pays else 2000) < matcher.sample_size_ <= n_used


@pytest.mark.usefixtures("few_are_unquestioned")
def test_blocks_are_evaluated_only_where_the_sample_needs_them(monkeypatch):
    dask = pytest.importorskip("dask")
    da = pytest.importorskip("dask.array")
    from skdsm.rows import dask_risk

    evaluated, evaluate_block = [], dask_risk.evaluate_block

    def noted(*args, n_rows, **options):
        evaluated.append(n_rows)
        return evaluate_block(*args, n_rows=n_rows, **options)

    monkeypatch.setattr(dask_risk, "evaluate_block", noted)
    # the client takes 3,000 rows: enough for the first stages, but not for all
    monkeypatch.setattr("skdsm.rows.base._GATHERED_BYTES", 3000 * 2 * 8)
    X = da.from_array(two_clusters(n_samples=20_000), chunks=(5000, -1))
    for pays, expected in ((False, set()), (True, {2000, 5000})):
        gain = 1.0 if pays else 0.0
        monkeypatch.setattr(
            "skdsm.training.growth.gain_of_growth", lambda *args, gain=gain: (gain, 0.0)
        )
        matcher = DenoisingScoreMatcher(2, tol=0.1, max_iter=300, random_state=0)
        with dask.config.set(scheduler="synchronous"):
            matcher.fit(X)
        assert set(evaluated) == expected


@pytest.mark.usefixtures("few_are_unquestioned")
@pytest.mark.parametrize(
    ("ranking", "lightest"), [("energy", None), ("energy", 0.0), ("combined", 0.5)]
)
def test_of_many_rows_only_a_sample_is_copied(ranking, lightest, monkeypatch):
    # constants whose copies are small beside more rows than a test can have
    monkeypatch.setattr("skdsm.rows.in_memory.COPIED_ROWS", 4000)
    monkeypatch.setattr("skdsm.training.fit._START_ROWS", 4000)
    monkeypatch.setattr("skdsm.training.fit._SPREAD_ROWS", 4000)
    X = np.random.default_rng(0).standard_normal((200_000, 64))
    matcher = DenoisingScoreMatcher(
        2, ranking=ranking, n_landmarks=200, tol=0.5, random_state=0
    )
    weight = None if lightest is None else np.append(lightest, np.ones(len(X) - 1))
    tracemalloc.start()
    matcher.fit(X, sample_weight=weight)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert matcher.sample_size_ == 2000
    assert peak < 0.3 * X.nbytes


def test_all_rows_count_once_where_all_are_used():
    X = two_clusters(n_samples=300, n_features=2)
    fit = DenoisingScoreMatcher(4, max_iter=5, random_state=0).fit
    assert fit(X).sample_size_ == 300
    assert fit(np.repeat(X, 3, axis=0)).sample_size_ == 300
    holes = X.copy()
    holes[:50, 0] = np.nan
    assert fit(holes).sample_size_ == 300
