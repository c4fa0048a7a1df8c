"""What an ONNX runtime computes is what scikit-learn computes, to rounding.

Rounding is bounded a priori, from the sizes of the terms that are added (Higham,
Accuracy and Stability of Numerical Algorithms, section 3.1), row by row: a fixed
tolerance would be too strict for a row far out or blind for one near by.
"""

import sys

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import skl2onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from skl2onnx.common.data_types import DoubleTensorType
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler
from support.quick_fits import fitted_on_a_device, normal_rows, quick
from support.random_models import GAINS, random_parameters

from skdsm import DenoisingScoreMatcher
from skdsm.detection.detector import RANKINGS
from skdsm.model.activations import logistic, softplus
from skdsm.model.parameters import Parameters
from skdsm.onnx import OUTPUTS, register_converter, to_onnx

FLOATS = [np.float32, np.float64]
both_types = pytest.mark.parametrize("dtype", FLOATS)


def run(graph, X, name="X"):
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1  # to start others takes longer than to do without
    session = onnxruntime.InferenceSession(graph.SerializeToString(), settings)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {name: X}), strict=True))


def made_up(parameters, sigma, X, ranking="energy"):
    """An estimator that looks as if it had been fitted."""
    matcher = DenoisingScoreMatcher(len(parameters.gains), ranking=ranking)
    matcher.components_ = parameters.components
    matcher.intercept_hidden_ = parameters.intercept_hidden
    matcher.intercept_visible_ = parameters.intercept_visible
    matcher.gains_ = parameters.gains
    matcher.sigma_ = sigma
    matcher.n_features_in_ = X.shape[1]
    if ranking == "combined":
        rng = np.random.default_rng(0)
        matcher.location_ = X.mean(axis=0, dtype=np.float64)
        spread = rng.standard_normal((20, X.shape[1])) * X.std(axis=0)
        matcher.landmarks_ = (matcher.location_ + spread).astype(X.dtype)
        matcher.landmark_weight_ = rng.integers(1, 4, 20).astype(float)
        matcher.bandwidth_ = 0.7 * sigma
        matcher.ranking_scales_ = np.array([0.3, 2.0]) * sigma**2
    matcher.offset_ = float(np.median(matcher.score_samples(X)))
    return matcher


def rounding(matcher, X, eps, scaled):
    """Bounds of the rounding errors of (score_samples, hidden), for double rows X.

    They hold for each of two evaluations; so twice as much for their difference. Rows
    that were `scaled` have errors of their own, which c does not share.
    """
    W, b, c, g = matcher._model().parameters
    m, d = W.shape
    Z, bias = X - c, b + W @ c
    # `bias` is rounded in double precision too: c may be large, and b cancel it
    d_bias = eps * np.abs(bias)
    d_bias += (d + 2) * np.finfo(float).eps * (np.abs(b) + np.abs(W) @ np.abs(c))
    U = Z @ W.T + bias
    dZ = 3 * eps * np.abs(Z) + scaled * eps * np.abs(X)
    dU = (d + 3) * eps * (np.abs(Z) @ np.abs(W).T + np.abs(bias)) + d_bias
    dU += dZ @ np.abs(W).T
    H = logistic(U)
    # onnxruntime's logistic is a rational function, good to a few units of rounding
    dH = np.minimum(dU / 4 + 4 * eps, 1)
    if matcher.ranking == "energy":
        d_energy = (d + 2) * eps * (Z**2).sum(1) / 2 + (np.abs(Z) * dZ).sum(1)
        d_energy += ((m + 4) * eps * (softplus(U) + 1) + dU) @ np.abs(g)
        return d_energy / matcher.sigma_**2, dH
    gW = np.abs(g[:, np.newaxis] * W)
    d_residual = (m + 3) * eps * (H @ gW + np.abs(Z)) + dH @ gW + dZ
    norm = np.linalg.norm(H @ (g[:, np.newaxis] * W) - Z, axis=1)
    d_norm = np.linalg.norm(d_residual, axis=1) + (d + 3) * eps * norm
    if matcher.ranking == "combined":
        distances = norm**2, distance_to_landmarks(matcher, X)
        errors = (2 * norm + d_norm) * d_norm, d_landmarks(matcher, X, eps, scaled)
        d_score = sum(
            error / (scale + distance) + 4 * eps * np.log(scale + distance + 1 / scale)
            for distance, error, scale in zip(
                distances, errors, matcher.ranking_scales_, strict=True
            )
        )
        return d_score, dH
    return d_norm / matcher.sigma_**2, dH


def distance_to_landmarks(matcher, X):
    landmarks = matcher._detector(vars(matcher)).landmarks
    return landmarks.squared_distance(X)


def d_landmarks(matcher, X, eps, scaled):
    """A soft minimum is as far off as the farthest off of what it is taken of."""
    d, k = X.shape[1], len(matcher.landmarks_)
    Z, L = X - matcher.location_, matcher.landmarks_ - matcher.location_
    dZ = 3 * eps * np.abs(Z) + scaled * eps * np.abs(X)
    reach = np.linalg.norm(Z, axis=1) + np.linalg.norm(L, axis=1).max()
    d_distance = (d + 6) * eps * reach**2 + 2 * reach * np.linalg.norm(dZ, axis=1)
    return 3 * d_distance + 2 * matcher.bandwidth_**2 * (k + 200) * eps


def assert_agrees(outputs, model, matcher, X, inner):
    """Compare all outputs with scikit-learn's; `inner`: what the matcher sees of X."""
    eps = np.finfo(X.dtype).eps
    d_score, d_hidden = rounding(
        matcher, np.asarray(inner, np.float64), eps, scaled=inner is not X
    )
    scores, decision = model.score_samples(X), model.decision_function(X)
    d_score = 2 * d_score + 2 * eps * np.abs(scores)
    d_decision = d_score + 2 * eps * (abs(matcher.offset_) + np.abs(decision))
    assert outputs["score_samples"].dtype == outputs["decision"].dtype == X.dtype
    assert outputs["hidden"].dtype == X.dtype
    assert outputs["label"].dtype == np.int64
    assert (np.abs(outputs["score_samples"] - scores) <= d_score).all()
    assert (np.abs(outputs["decision"] - decision) <= d_decision).all()
    assert (np.abs(outputs["hidden"] - matcher.transform(inner)) <= 2 * d_hidden).all()
    clear = np.abs(decision) > d_decision
    assert (outputs["label"] == model.predict(X))[clear].all()


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31 - 1),
    m=st.integers(1, 6),
    d=st.integers(1, 5),
    gains=st.sampled_from(GAINS),
    sigma=st.sampled_from([0.05, 0.7, 3.0]),
    steepness=st.sampled_from([0.0, 0.1, 1.0, 1e4]),
    ranking=st.sampled_from(sorted(RANKINGS)),
    offset=st.sampled_from([0.0, -1.0, 1e3, -1e6, 1e9]),
    unit=st.sampled_from([1e-3, 1.0, 1e3]),
    dtype=st.sampled_from(FLOATS),
)
def test_a_pipeline_with_a_scaler_agrees(
    seed, m, d, gains, sigma, steepness, ranking, offset, unit, dtype
):
    rng = np.random.default_rng(seed)
    X = (offset + unit * rng.standard_normal((30, d))).astype(dtype)
    scaler = StandardScaler().fit(X)
    parameters = random_parameters(seed, m, d, gains)
    parameters = parameters._replace(components=steepness * parameters.components)
    inner = scaler.transform(X)
    matcher = made_up(parameters, sigma, inner, ranking)
    model = make_pipeline(scaler, matcher)
    assert_agrees(run(to_onnx(model, X), X), model, matcher, X, inner)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 2**31 - 1),
    gains=st.sampled_from(GAINS),
    ranking=st.sampled_from(sorted(RANKINGS)),
    offset=st.sampled_from([0.0, 1e2, -1e4, 1e6, 3e7]),
    dtype=st.sampled_from(FLOATS),
)
def test_a_model_of_data_far_from_zero_agrees(seed, gains, ranking, offset, dtype):
    rng = np.random.default_rng(seed)
    X = (offset + 100 * rng.standard_normal((30, 3))).astype(dtype)
    parameters = random_parameters(seed, 4, 3, gains)
    # units of width 100 as well; b + W c is exact, for c and W far from round numbers
    parameters = parameters._replace(components=parameters.components / 100)
    matcher = made_up(parameters.translate(np.full(3, offset)), 50.0, X, ranking)
    assert_agrees(run(to_onnx(matcher, X), X), matcher, matcher, X, X)


@both_types
@pytest.mark.parametrize("ranking", sorted(RANKINGS))
def test_a_fitted_pipeline_gives_the_same_labels(ranking, dtype):
    X = (1e4 + 3 * normal_rows(300)).astype(dtype)
    matcher = quick(8, ranking=ranking, gains="learned", sigma=(0.2, 1.0))
    model = make_pipeline(StandardScaler(), matcher).fit(X)
    outputs = run(to_onnx(model, X[:1]), X)
    assert_agrees(outputs, model, model[-1], X, model[:-1].transform(X))
    # the threshold lies midway between two training scores
    np.testing.assert_array_equal(outputs["label"], model.predict(X))


@both_types
@pytest.mark.parametrize("ranking", sorted(RANKINGS))
@pytest.mark.parametrize("sigma", [0.1, 1.0])
def test_rows_beyond_all_bounds_are_outliers(sigma, ranking, dtype):
    X = normal_rows()
    matcher = made_up(random_parameters(0), sigma, X, ranking)
    largest = np.finfo(dtype).max
    far = np.array([[largest, 0, 0], [-largest] * 3, [1, np.inf, 1]], dtype)
    outputs = run(to_onnx(matcher, X.astype(dtype)), far)
    assert (outputs["label"] == -1).all()
    bound = -100 if ranking == "combined" else -1e15  # that one is a logarithm
    assert (outputs["score_samples"] < bound).all()  # or minus infinity, but a number
    assert (outputs["decision"] < bound).all()
    assert ((outputs["hidden"] >= 0) & (outputs["hidden"] <= 1)).all()


@both_types
def test_a_row_with_nan_is_an_outlier_without_a_score(dtype):
    matcher = quick().fit(normal_rows())
    rows = np.array([[0.0, np.nan, 0.0], [0.0, 0.0, 0.0]], dtype)
    outputs = run(to_onnx(matcher, rows[1:]), rows)
    np.testing.assert_array_equal(np.isnan(outputs["score_samples"]), [True, False])
    np.testing.assert_array_equal(outputs["label"], [-1, 1])


@pytest.mark.parametrize(
    "outputs", [OUTPUTS, ["score_samples"], ("hidden", "label"), ["decision"]]
)
def test_only_the_outputs_asked_for_are_computed(outputs):
    X = normal_rows()
    matcher = quick().fit(X)
    graph = to_onnx(matcher, X, outputs=outputs)
    assert [output.name for output in graph.graph.output] == list(outputs)
    operators = {node.op_type for node in graph.graph.node}
    assert ("Sigmoid" in operators) == ("hidden" in outputs)
    assert ("ReduceSumSquare" in operators) == (set(outputs) != {"hidden"})
    everything = run(to_onnx(matcher, X), X)
    for name, values in run(graph, X).items():
        np.testing.assert_array_equal(values, everything[name])


def test_answers_have_scikit_learns_shapes():
    X = normal_rows()
    matcher = quick(7).fit(X)
    graph = to_onnx(matcher, X)
    onnx.checker.check_model(graph, full_check=True)
    (rows,) = onnxruntime.InferenceSession(graph.SerializeToString()).get_inputs()
    assert (rows.name, rows.shape) == ("X", [None, 3])
    outputs = run(graph, X)
    assert outputs["label"].shape == outputs["decision"].shape == (len(X),)
    assert outputs["score_samples"].shape == (len(X),)
    assert outputs["hidden"].shape == (len(X), 7)


@pytest.mark.parametrize("opset", range(15, skl2onnx.__max_supported_opset__ + 1))
def test_every_version_of_the_operators_agrees(opset):
    X = normal_rows()
    model = make_pipeline(StandardScaler(), quick()).fit(X)
    graph = to_onnx(model, X, target_opset=opset)
    assert {"": opset}.items() <= {
        o.domain: o.version for o in graph.opset_import
    }.items()
    np.testing.assert_allclose(
        run(graph, X)["score_samples"], model.score_samples(X), rtol=1e-12
    )


@both_types
def test_hidden_codes_go_to_the_next_step(dtype):
    X = normal_rows().astype(dtype)
    y = (X[:, 0] > 0).astype(int)
    model = make_pipeline(
        StandardScaler(),
        make_union(quick(6), MinMaxScaler()),
        make_pipeline(quick(5), LogisticRegression()),
    ).fit(X, y)
    options = {LogisticRegression: {"zipmap": False}}
    label, probabilities = run(to_onnx(model, X, options=options), X).values()
    np.testing.assert_array_equal(label, model.predict(X))
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=1e-5)


def test_a_nested_pipeline_that_ends_in_the_matcher_has_all_outputs():
    X = normal_rows()
    model = make_pipeline(RobustScaler(), make_pipeline(quick(5), quick())).fit(X)
    outputs = run(to_onnx(model, X), X)
    assert tuple(outputs) == OUTPUTS
    np.testing.assert_allclose(outputs["score_samples"], model.score_samples(X))


def test_skl2onnx_converts_after_registration():
    X = normal_rows().astype(np.float32)
    model = make_pipeline(StandardScaler(), quick()).fit(X)
    register_converter()
    register_converter()
    options = {DenoisingScoreMatcher: {"outputs": ("decision", "label")}}
    outputs = run(skl2onnx.to_onnx(model, X, options=options), X)
    assert tuple(outputs) == ("decision", "label")
    np.testing.assert_allclose(
        outputs["decision"], model.decision_function(X), rtol=1e-4, atol=1e-4
    )


def test_columns_may_be_inputs_of_their_own():
    frame = pd.DataFrame(1e6 + normal_rows(), columns=["a", "b", "c"])
    matcher = quick().fit(frame)
    register_converter()
    graph = skl2onnx.to_onnx(matcher, frame)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    inputs = {name: frame[[name]].to_numpy() for name in frame}
    (scores,) = session.run(["score_samples"], inputs)
    np.testing.assert_allclose(scores, matcher.score_samples(frame), rtol=1e-9)


def test_a_pipeline_that_picks_columns_by_name_has_an_input_for_each():
    frame = pd.DataFrame(normal_rows(), columns=["a", "b", "c"])
    columns = ColumnTransformer([("scale", StandardScaler(), ["a", "b"])])
    model = make_pipeline(columns, quick()).fit(frame)
    with pytest.raises(ValueError, match="call skdsm.onnx.register_converter"):
        to_onnx(model, frame)
    register_converter()
    types = [(name, DoubleTensorType([None, 1])) for name in frame]
    graph = skl2onnx.to_onnx(
        model,
        initial_types=types,
        options={DenoisingScoreMatcher: {"outputs": ("score_samples",)}},
    )
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    inputs = {name: frame[[name]].to_numpy() for name in frame}
    (scores,) = session.run(None, inputs)
    np.testing.assert_allclose(scores, model.score_samples(frame), rtol=1e-9)


class Renamed(DenoisingScoreMatcher):
    """A subclass that computes the same."""


class Shifted(Renamed):
    """A subclass whose scores the graph does not know."""

    def score_samples(self, X):
        return super().score_samples(X) - 1


def test_a_subclass_is_converted_unless_it_computes_something_else():
    X = normal_rows()
    settings = quick().get_params()
    model = make_pipeline(Renamed(**settings), Renamed(**settings)).fit(X)
    outputs = run(to_onnx(model, X), X)
    np.testing.assert_allclose(outputs["score_samples"], model.score_samples(X))
    with pytest.raises(NotImplementedError, match="Shifted has its own score_samples"):
        to_onnx(Shifted(**settings).fit(X), X)


def test_a_converter_of_ones_own_for_a_subclass_stays():
    class Own(DenoisingScoreMatcher):
        pass

    def convert(scope, operator, container):
        pass

    skl2onnx.update_registered_converter(Own, "Own", lambda operator: None, convert)
    register_converter()
    assert skl2onnx.get_model_alias(Own) == "Own"


def test_integers_are_rows_too():
    X = np.arange(-30, 30).reshape(20, 3)
    matcher = quick(sigma=5.0).fit(X)
    as_floats = run(to_onnx(matcher, X), X.astype(np.float64))["score_samples"]
    np.testing.assert_allclose(as_floats, matcher.score_samples(X))
    register_converter()
    as_integers = run(skl2onnx.to_onnx(matcher, X), X)["score_samples"]
    np.testing.assert_allclose(as_integers, as_floats, rtol=1e-5)


@pytest.mark.parametrize("outputs", [["scores"], [], ["label", "label"], "label"])
def test_unknown_outputs_are_refused(outputs):
    X = normal_rows()
    with pytest.raises(ValueError, match="outputs must be different names out of"):
        to_onnx(quick().fit(X), X, outputs=outputs)


def test_an_unfitted_model_is_refused():
    with pytest.raises(NotFittedError):
        to_onnx(quick(), normal_rows())
    with pytest.raises(NotFittedError):
        to_onnx(make_pipeline(StandardScaler(), quick()), normal_rows())


def test_rows_with_another_number_of_columns_are_refused():
    X = normal_rows()
    with pytest.raises(ValueError, match="X has 2 features, but"):
        to_onnx(quick().fit(X), X[:, :2])


def test_a_model_too_large_for_single_precision_is_refused():
    X = 1e45 + 1e44 * normal_rows()
    matcher = quick(sigma=5e43).fit(X)
    with pytest.raises(ValueError, match="overflows in float32"):
        to_onnx(matcher, X[:1].astype(np.float64).clip(-1, 1).astype(np.float32))
    scores = run(to_onnx(matcher, X), X)["score_samples"]
    np.testing.assert_allclose(scores, matcher.score_samples(X), rtol=1e-9)


def test_without_skl2onnx_the_error_names_the_extra(monkeypatch):
    X = normal_rows()
    matcher = quick().fit(X)
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match=r"pip install .skdsm\[onnx\]"):
        to_onnx(matcher, X)


def test_the_graph_knows_all_that_a_model_has():
    # whoever adds a parameter or a ranking has to add it to skdsm/_onnx_graph.py
    assert Parameters._fields == (
        "components",
        "intercept_hidden",
        "intercept_visible",
        "gains",
    )
    (rankings,) = DenoisingScoreMatcher._parameter_constraints["ranking"]
    assert rankings.options == RANKINGS.keys()


@both_types
def test_the_graph_knows_the_landmarks_of_the_fit(dtype):
    """Training rows are not compared with themselves, there as here."""
    X = (5 + normal_rows(300)).astype(dtype)
    matcher = quick(16, sigma=0.1, ranking="combined").fit(X)
    rows = np.concatenate([X, (5 + normal_rows(100, seed=1)).astype(dtype)])
    scores = run(to_onnx(matcher, X), rows)["score_samples"]
    tolerance = 1e-3 if dtype == np.float32 else 1e-9
    np.testing.assert_allclose(scores, matcher.score_samples(rows), atol=tolerance)


def test_a_model_that_was_fitted_on_a_device_is_converted(monkeypatch):
    X = normal_rows(100)
    matcher = fitted_on_a_device(X, monkeypatch, ranking="combined", sigma=(0.1, 1.0))
    outputs = run(to_onnx(matcher, X), X)
    scores = outputs["score_samples"].ravel()
    np.testing.assert_allclose(scores, matcher.score_samples(X), rtol=1e-9, atol=1e-9)
