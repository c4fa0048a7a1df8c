"""The benchmark of rankings: splits that do not leak, measures, and cached results."""

import itertools
import json

import bench_ranking
import numpy as np
import pytest
from ranking.adapters import FreeEnergy, LocalFactor, Mixture, Neighbours
from ranking.cache import ResultFile, _code_hash, content_hash, fingerprint
from ranking.measure import evaluate, measure
from ranking.protocols import one_class, one_class_rows, standardised, unsupervised
from ranking.runner import Plan, results_of
from ranking.summary import (
    complete,
    deviation_over_seeds,
    holm,
    ranks,
    undistinguished,
    wins,
)
from ranking.table import data_table, summary_table
from sklearn.base import BaseEstimator

from skdsm import DenoisingScoreMatcher


def labels(n_normal=61, n_anomalies=20):
    return np.random.default_rng(0).permutation(
        np.repeat([0, 1], [n_normal, n_anomalies])
    )


def data_set(n_normal=60, n_anomalies=15):
    y = labels(n_normal, n_anomalies)
    X = np.random.default_rng(1).standard_normal((len(y), 3))
    return X + 6.0 * y[:, None], y


# Protocols


@pytest.mark.parametrize("max_rows", [7, 1000])
def test_one_class_split_does_not_leak(max_rows):
    y = labels()
    train, test = one_class(y, 3, max_rows)
    assert len(train) == min(max_rows, 30)
    assert not y[train].any()
    assert not set(train) & set(test)
    assert len({*train, *test}) == len(train) + len(test)


def test_one_class_test_rows_do_not_depend_on_the_cap():
    y = labels()
    _, test = one_class(y, 3, 1000)
    np.testing.assert_array_equal(one_class(y, 3, 7)[1], test)
    assert set(np.flatnonzero(y)) <= set(test)
    assert np.count_nonzero(y[test] == 0) == 31


def test_one_class_rows_go_with_their_labels():
    """Each anomaly is six apart in every column, each normal row has mean zero."""
    X, y = data_set()
    fitted, ranked, labels = one_class_rows(X, y, 3, 20)
    assert len(fitted) == 20
    np.testing.assert_allclose(fitted.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_array_equal(ranked.mean(axis=1) > 3, labels == 1)
    assert labels.sum() == y.sum()


@pytest.mark.parametrize("max_rows", [10, 41, 80])
def test_unsupervised_subsample_keeps_the_share_of_anomalies(max_rows):
    y = labels()
    train, test = unsupervised(y, 3, max_rows)
    assert test is train
    assert len(set(train)) == len(train) == max_rows
    assert abs(y[train].sum() - max_rows * y.mean()) <= 0.5


def test_unsupervised_takes_all_rows_when_it_may():
    y = labels()
    assert sorted(unsupervised(y, 3, 1000)[0]) == list(range(len(y)))


@pytest.mark.parametrize("protocol", [one_class, unsupervised])
def test_split_follows_the_seed(protocol):
    first, again, other = (protocol(labels(), seed, 20)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(other)


@pytest.mark.parametrize("protocol", [one_class, unsupervised])
def test_labels_other_than_zero_and_one_are_refused(protocol):
    with pytest.raises(ValueError, match="0 for normal rows and 1"):
        protocol(np.where(labels() == 1, 1, -1), 0, 100)
    with pytest.raises(ValueError, match="1 anomaly"):
        protocol(np.zeros(10), 0, 100)


def test_standardisation_knows_the_training_rows_only():
    X, y = data_set()
    train, test = one_class(y, 0, 100)
    X[test] *= 50.0
    X[:, 2] = np.where(y == 1, 4.0, 3.0)  # constant in training
    fitted, ranked = standardised(X, train, test)
    np.testing.assert_allclose(fitted.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(fitted[:, :2].std(axis=0), 1.0)
    np.testing.assert_allclose(ranked[:, 2], y[test])
    back = ranked * X[train].std(axis=0) + X[train].mean(axis=0)
    np.testing.assert_allclose(back[:, :2], X[test, :2])


# Measures


def test_lowest_scores_are_the_anomalies():
    y = np.array([0, 0, 1, 1])
    assert evaluate(y, np.array([3.0, 4.0, 1.0, 2.0])) == (1.0, 1.0)
    roc_auc, _ = evaluate(y, np.array([1.0, 2.0, 3.0, 4.0]))
    assert roc_auc == 0.0
    # found at places 1 and 3: three of four pairs, precisions 1 and 2/3
    assert evaluate(y, np.array([2.0, 4.0, 1.0, 3.0])) == (0.75, pytest.approx(5 / 6))


def test_infinite_scores_rank_and_nan_is_an_error():
    y = np.array([0, 0, 1])
    assert evaluate(y, np.array([0.0, np.inf, -np.inf])) == (1.0, 1.0)
    with pytest.raises(ValueError, match="NaN"):
        evaluate(y, np.array([0.0, np.nan, 1.0]))


class Recorder(BaseEstimator):
    """Keeps what it is given; ranks by the distance from the origin."""

    def fit(self, X):
        self.fitted = X
        return self

    def score_samples(self, X):
        self.ranked = X
        return -np.linalg.norm(X, axis=1)


class OwnRows(Recorder):
    def training_scores(self):
        return np.arange(len(self.fitted), dtype=float)


def test_detector_is_fitted_and_ranked_on_its_protocols_rows():
    X, y = data_set()
    detector = Recorder()
    result = measure(detector, X, y, "one-class", 0, 20)
    fitted, ranked = standardised(X, *one_class(y, 0, 20))
    np.testing.assert_array_equal(detector.fitted, fitted)
    np.testing.assert_array_equal(detector.ranked, ranked)
    assert result["roc_auc"] == 1.0
    assert (result["n_train"], result["n_test"], result["n_features"]) == (20, 45, 3)


def test_training_scores_rank_the_rows_that_were_fitted_to_and_no_others():
    X, y = data_set()
    detector = OwnRows()
    result = measure(detector, X, y, "unsupervised", 0, 40)
    rows, _ = unsupervised(y, 0, 40)
    expected = evaluate(y[rows], np.arange(40.0))
    assert (result["roc_auc"], result["average_precision"]) == expected
    assert not hasattr(detector, "ranked")
    measure(detector, X, y, "one-class", 0, 40)
    assert hasattr(detector, "ranked")


# Adapters


def test_neighbours_of_training_rows_leave_out_the_row_itself():
    X = np.random.default_rng(0).standard_normal((30, 4))
    detector = Neighbours(k=3).fit(X)
    for i, score in enumerate(detector.training_scores()):
        distances = np.sort([np.linalg.norm(X[i] - x) for x in np.delete(X, i, axis=0)])
        assert score == pytest.approx(-distances[:3].mean())
    query = np.full((1, 4), 0.3)
    distances = np.sort([np.linalg.norm(query[0] - x) for x in X])
    assert detector.score_samples(query)[0] == pytest.approx(-distances[:3].mean())


def test_local_factor_of_training_rows_is_the_plain_estimators():
    X = np.random.default_rng(0).standard_normal((50, 2))
    plain = LocalFactor().fit(X)
    novelty = LocalFactor(novelty=True).fit(X)
    np.testing.assert_array_equal(
        novelty.training_scores(), plain.negative_outlier_factor_
    )


def test_mixture_has_more_rows_than_features_in_a_component():
    X = np.random.default_rng(0).standard_normal((35, 9))
    assert Mixture(random_state=0).fit(X).mixture_.n_components == 3
    assert Mixture(random_state=0).fit(X[:5]).mixture_.n_components == 1


def test_free_energy_sums_over_all_hidden_states():
    X = np.random.default_rng(0).standard_normal((40, 3))
    detector = FreeEnergy(n_components=4, n_iter=5).fit(X)
    rbm = detector.rbm_
    rows = np.array([[0.1, -0.2, 0.3], [100.0, 0.0, -100.0]])
    V = np.clip(detector.scaler_.transform(rows), 0.0, 1.0)
    assert V[1, 0] == 1.0
    for v, score in zip(V, detector.score_samples(rows), strict=True):
        total = 0.0
        for h in itertools.product([0.0, 1.0], repeat=4):
            h = np.array(h)
            total += np.exp(
                rbm.intercept_visible_ @ v
                + rbm.intercept_hidden_ @ h
                + h @ rbm.components_ @ v
            )
        assert score == pytest.approx(np.log(total))


# Cached results


def test_results_survive_an_interrupted_write(tmp_path):
    path = tmp_path / "new" / "one-class.jsonl"
    ResultFile(path).add("a é", {"roc_auc": 0.5})
    ResultFile(path).add("b", {"roc_auc": 0.25})
    with open(path, "a", encoding="ascii") as file:
        file.write('{"key": "c", "roc')
    file = ResultFile(path)
    assert file.get("c") is None
    file.add("d", {"roc_auc": 0.75})
    file.add("b", {"roc_auc": 0.125})
    read = ResultFile(path)
    assert [read.get(key) for key in ("a é", "b", "d")] == [
        {"roc_auc": 0.5},
        {"roc_auc": 0.125},
        {"roc_auc": 0.75},
    ]
    assert all(json.loads(line) for line in path.read_text("ascii").splitlines())


def test_content_hash_sees_every_value():
    X, y = data_set()
    hashes = {content_hash(X, y), content_hash(X, 1 - y)}
    X[-1, -1] += 1e-9
    assert len(hashes | {content_hash(X, y)}) == 3


def test_fingerprint_sees_parameters():
    first, again, other = (
        fingerprint(DenoisingScoreMatcher(sigma=sigma)) for sigma in (0.5, 0.5, 0.4)
    )
    assert first == again != other
    assert "skdsm" in first
    assert fingerprint(Neighbours(k=3)) != fingerprint(Neighbours(k=4))


def test_hash_of_code_leaves_out_words_only():
    code = 'def f(x):\n    """Words."""\n    return x + 1\n'
    words = 'def f(x):\n    """Other words."""\n\n    return x + 1  # so\n'
    assert _code_hash(code) == _code_hash(words)
    assert _code_hash(code) != _code_hash(code.replace("x + 1", "x + 2"))


@pytest.fixture
def folder(tmp_path):
    for name, n_normal in {"large": 60, "small": 30}.items():
        X, y = data_set(n_normal)
        np.savez(tmp_path / f"{name}.npz", X=X, y=y)
    return tmp_path


class Failing(Recorder):
    def fit(self, X):
        raise ValueError("on purpose")


def plan(folder, makers, n_seeds=2):
    paths = sorted(folder.glob("*.npz"))
    return Plan(paths, "one-class", 20, makers, dict.fromkeys(makers, n_seeds))


def test_second_run_measures_what_is_missing_only(folder, capsys):
    made = []

    def make(seed):
        made.append(seed)
        return Recorder()

    cache = folder / "cache"
    first = results_of(plan(folder, {"r": make}), cache)
    assert [(r["data"], r["seed"]) for r in first] == [
        (name, seed) for name in ("large", "small") for seed in (0, 1)
    ]
    # each key needs a detector, and so does each measurement
    assert len(made) == 8
    assert results_of(plan(folder, {"r": make}), cache) == first
    assert len(made) == 12
    more = results_of(plan(folder, {"r": make}, n_seeds=3), cache)
    assert len(more) == 6
    assert len(made) == 12 + 6 + 2
    assert "4 results are cached, 2 to measure" in capsys.readouterr().err


def test_changed_data_are_measured_anew(folder):
    makers = {"r": lambda seed: Recorder()}
    cache = folder / "cache"
    results_of(plan(folder, makers), cache)
    X, y = data_set(40)
    np.savez(folder / "small.npz", X=X, y=y)
    assert len(results_of(plan(folder, makers), cache, cached_only=True)) == 2


def test_failure_is_told_and_not_kept(folder, capsys):
    makers = {"r": lambda seed: Recorder(), "f": lambda seed: Failing()}
    results = results_of(plan(folder, makers), folder / "cache")
    assert {result["detector"] for result in results} == {"r"}
    assert "failed: ValueError: on purpose" in capsys.readouterr().err


# Summary


def test_ranks_and_wins_share_ties():
    values = np.array([[0.9, 0.8, 0.9], [0.5, 0.7, 0.6]])
    np.testing.assert_allclose(ranks(values), [2.25, 2.0, 1.75])
    np.testing.assert_allclose(wins(values), [0.5, 1.0, 0.5])


def test_holm_on_a_worked_example():
    np.testing.assert_allclose(
        holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02]
    )
    np.testing.assert_allclose(holm([0.6, 0.9]), [1.0, 1.0])


def test_groups_hold_what_no_test_tells_apart():
    rng = np.random.default_rng(0)
    level = np.array([0.0, 1.0, 1.0, 0.0, 2.0])
    values = level + 0.01 * rng.standard_normal((20, 5))
    groups = undistinguished(values)
    assert [set(group) for group in groups] == [{1, 2}, {0, 3}]
    assert undistinguished(np.ones((20, 3))) == [[0, 1, 2]]


def test_detector_without_all_data_sets_is_left_out_aloud():
    sizes = {"n_train": 10, "n_features": 2, "share": 0.1}
    times = {"fit_seconds": 1.0, "score_microseconds": 2.0}
    results = [
        sizes
        | times
        | {"data": data, "detector": name, "seed": 0}
        | {"roc_auc": value, "average_precision": value}
        for data, name, value in [
            ("one", "a", 0.75),
            ("two", "a", 0.5),
            ("one", "b", 0.25),
        ]
    ]
    assert complete({"one": {"a": 1, "b": 2}, "two": {"a": 3}}, "ab")[0] == ["a"]
    summary = summary_table(results, ["b", "a", "c"])
    assert "0.6250" in summary
    assert summary.endswith("not on every data set, so left out: b")
    assert len(summary_table([], ["a"]).splitlines()) == 1
    header, one, two = data_table(results, "roc_auc", ["b", "a", "c"]).splitlines()
    assert header.split()[-2:] == ["b", "a"]
    assert one.split()[-2:] == ["0.250", "0.750*"]
    assert two.split()[-2:] == ["-", "0.500*"]


def test_deviation_over_seeds_is_of_means_over_data_sets():
    values = {("a", 0): 0.5, ("a", 1): 0.9, ("b", 0): 0.7, ("b", 1): 0.7}
    results = [
        {"data": data, "detector": "x", "seed": seed, "roc_auc": value}
        for (data, seed), value in values.items()
    ]
    # means over data sets: 0.6 and 0.8
    deviation = deviation_over_seeds(results, "roc_auc", "x")
    np.testing.assert_allclose(deviation, 0.02**0.5)
    # the second seed lacks a data set now, and one seed has no deviation
    assert np.isnan(deviation_over_seeds(results[:3], "roc_auc", "x"))


# The script


def test_without_a_folder_the_script_says_how_to_give_one(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench_ranking.py"])
    bench_ranking.main()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert "bench_ranking.py FOLDER" in printed.err


def test_script_writes_tables_and_a_diagram(folder, monkeypatch, capsys, figures):
    picture = folder / "ranks.png"
    options = ["--seeds", "1", "--cache", str(folder / "cache"), "--plot", str(picture)]
    names = ["--detectors", "kNN", "GMM", "PCA"]
    monkeypatch.setattr("sys.argv", ["bench_ranking.py", str(folder), *names, *options])
    bench_ranking.main()
    printed = capsys.readouterr().out
    assert "one-class: ROC AUC" in printed
    assert "unsupervised: Average precision" in printed
    assert picture.read_bytes().startswith(b"\x89PNG")
