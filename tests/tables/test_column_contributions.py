"""Blame goes to columns of the table; models of tables are saved and converted."""

import numpy as np
import pytest
import skops.io
from sklearn.pipeline import make_pipeline
from support.mixed_tables import orders

from skdsm import DenoisingScoreMatcher
from skdsm.calibration import ConformalOutlierDetector
from skdsm.command import TRUSTED
from skdsm.tables import TableEncoder, column_contributions

TABLE = orders()


@pytest.fixture(scope="module")
def model():
    matcher = DenoisingScoreMatcher(16, random_state=0)
    return make_pipeline(TableEncoder(), matcher).fit(TABLE)


def test_they_sum_to_those_of_the_model(model):
    blame = column_contributions(model, TABLE)
    assert list(blame) == list(model[0].kinds_)
    assert blame.index.equals(TABLE.index)
    features = model[-1].feature_contributions(model[:-1].transform(TABLE))
    np.testing.assert_allclose(blame.sum(axis=1), features.sum(axis=1))


def test_the_odd_column_is_to_blame(model):
    odd = TABLE.head(4).copy()
    odd.loc[0, "price"] = 300.0
    odd.loc[1, "quantity"] = 40
    odd.loc[2, "code"] = "?"
    odd.loc[3, "when"] -= np.timedelta64(900, "D")
    blamed = column_contributions(model, odd).idxmax(axis=1)
    assert blamed.tolist() == ["price", "quantity", "code", "when"]


def test_holes_are_not_to_blame(model):
    holes = TABLE.head(5).assign(product=None, price=np.nan)
    blame = column_contributions(model, holes)
    assert (blame[["product", "price"]] == 0).all(axis=None)
    assert (blame["when"] > 0).all()


def test_a_conformal_detector_is_explained_by_its_pipeline(model):
    detector = ConformalOutlierDetector(model, random_state=0).fit(TABLE)
    of_detector = column_contributions(detector, TABLE)
    assert of_detector.equals(column_contributions(detector.estimator_, TABLE))


@pytest.mark.parametrize("position", [slice(1, None), slice(0, 1)])
def test_other_pipelines_are_refused(model, position):
    with pytest.raises(TypeError, match="TableEncoder"):
        column_contributions(model[position], TABLE)


def test_skops_needs_to_trust_a_short_list(model):
    saved = skops.io.dumps(model)
    assert set(skops.io.get_untrusted_types(data=saved)) <= set(TRUSTED)
    arrived = skops.io.loads(saved, trusted=TRUSTED)
    np.testing.assert_array_equal(
        arrived.score_samples(TABLE), model.score_samples(TABLE)
    )
    assert arrived[0].typical_ == model[0].typical_


def test_numbers_and_categories_become_onnx():
    import onnxruntime
    import skl2onnx
    from skl2onnx.common.data_types import DoubleTensorType, StringTensorType

    from skdsm.onnx import register_converter

    columns = ["product", "price", "quantity"]
    matcher = DenoisingScoreMatcher(16, random_state=0)
    model = make_pipeline(TableEncoder(), matcher).fit(TABLE[columns])
    register_converter()
    types = {"category": StringTensorType, "number": DoubleTensorType}
    kinds = model[0].kinds_
    graph = skl2onnx.to_onnx(
        make_pipeline(model[0].transformer_, matcher),
        initial_types=[(name, types[kind]([None, 1])) for name, kind in kinds.items()],
    )
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    cells = {"category": str, "number": np.float64}
    feed = {name: TABLE[[name]].to_numpy(cells[kind]) for name, kind in kinds.items()}
    (scores,) = session.run(["score_samples"], feed)
    np.testing.assert_allclose(scores.ravel(), model.score_samples(TABLE[columns]))
