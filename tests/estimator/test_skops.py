"""skops, which runs no code from files, needs to trust our class and nothing else."""

import numpy as np
import pytest
import skops.io
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skops.io.exceptions import UntrustedTypesFoundException
from support.quick_fits import (
    QUERIES,
    normal_rows,
    quick,
    with_every_model_or_value,
)
from test_saved_models import FILES, assert_answers_as_then, load_as_documented

import skdsm
from skdsm.exceptions import VersionMismatchWarning

X = normal_rows()
OWN = ["skdsm.estimator.DenoisingScoreMatcher"]


@with_every_model_or_value("dtype", [np.float32, np.float64], chosen=[np.float32])
def test_a_round_trip_is_exact_and_needs_no_other_type(parameters, dtype):
    rows = X.astype(dtype)
    model = make_pipeline(StandardScaler(), quick(**parameters)).fit(rows)
    saved = skops.io.dumps(model)
    assert skops.io.get_untrusted_types(data=saved) == OWN
    arrived = skops.io.loads(saved, trusted=OWN)
    assert vars(arrived[-1]).keys() == vars(model[-1]).keys()
    assert str(arrived.get_params()) == str(model.get_params())
    for query in QUERIES:
        given = rows if query in dir(model) else model[:-1].transform(rows)
        asked = [m if query in dir(m) else m[-1] for m in (arrived, model)]
        np.testing.assert_array_equal(*(getattr(m, query)(given) for m in asked))


@pytest.mark.parametrize(
    "matcher",
    [
        quick(),
        quick(random_state=np.random.RandomState(0)).fit(X),
        quick(np.int64(4), sigma=np.float32(0.5), n_jobs=np.int32(1)).fit(X),
        quick(sigma=(np.float64(0.1), 1)).fit(X),
        quick(verbose=np.True_, warm_start=True, n_jobs=2),
    ],
    ids=["unfitted", "RandomState", "NumPy scalars", "pair", "booleans"],
)
def test_parameters_of_any_legal_type_need_no_other_type(matcher):
    saved = skops.io.dumps(matcher)
    assert skops.io.get_untrusted_types(data=saved) == OWN
    arrived = skops.io.loads(saved, trusted=OWN)
    assert vars(arrived).keys() == vars(matcher).keys()


def test_names_of_columns_travel():
    import pandas as pd

    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    saved = skops.io.dumps(quick().fit(frame))
    assert skops.io.get_untrusted_types(data=saved) == OWN
    arrived = skops.io.loads(saved, trusted=OWN)
    assert arrived.feature_names_in_.tolist() == ["a", "b", "c"]


def test_a_partition_function_travels():
    matcher = quick(sigma=(0.5, 1.0), gains="unit").fit(
        X
    )  # has an upper bound: NaN equals nothing
    known = matcher.log_partition()
    saved = skops.io.dumps(matcher)
    assert skops.io.get_untrusted_types(data=saved) == OWN
    assert skops.io.loads(saved, trusted=OWN).log_partition() == known


def test_without_trust_nothing_is_loaded():
    saved = skops.io.dumps(quick().fit(X))
    with pytest.raises(UntrustedTypesFoundException, match="DenoisingScoreMatcher"):
        skops.io.loads(saved)


def test_another_version_warns(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("skdsm.estimator.__version__", "0.0.1")
        saved = skops.io.dumps(quick().fit(X))
    message = f"saved by skdsm 0.0.1 and is loaded by {skdsm.__version__}"
    with pytest.warns(VersionMismatchWarning, match=message):
        arrived = skops.io.loads(saved, trusted=OWN)
    assert "_skdsm_version" not in vars(arrived)


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if path.suffix == ".skops"],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_a_saved_model_answers_as_it_did(path):
    model = load_as_documented(lambda file: skops.io.load(file, trusted=OWN), path)
    assert_answers_as_then(model, path)
