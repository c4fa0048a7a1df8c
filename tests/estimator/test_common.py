"""scikit-learn's own checks, all of them, none expected to fail, none skipped.

Those for arrays of other libraries are in test_array_api.py.
"""

from unittest import SkipTest

import pytest
from sklearn.covariance import EllipticEnvelope
from sklearn.utils.estimator_checks import (
    _get_check_estimator_ids,
    check_dataframe_column_names_consistency,
    check_get_feature_names_out_error,
    check_global_output_transform_pandas,
    check_global_set_output_transform_polars,
    check_inplace_ensure_writeable,
    check_param_validation,
    check_set_output_transform,
    check_set_output_transform_pandas,
    check_set_output_transform_polars,
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
    estimator_checks_generator,
)

from skdsm import DenoisingScoreMatcher
from skdsm.calibration import ConformalOutlierDetector
from skdsm.imputation import DenoisingImputer

# random_state is left to the checks, which set it where they need it. Not among them:
# warm_start=True, as several checks compare a first fit with a second.
# Beside the defaults: two that have every other way to train, rank and set thresholds.
ESTIMATORS = [
    DenoisingScoreMatcher(),
    DenoisingScoreMatcher(
        4, objective="ism", gains="unit", ranking="score_norm", contamination="auto"
    ),
    DenoisingScoreMatcher(
        4, sigma=0.5, ranking="combined", alpha=0.01, n_corruptions=1, n_jobs=2
    ),
]

CALIBRATED = [
    ConformalOutlierDetector(EllipticEnvelope(random_state=0), alpha=0.3),
    ConformalOutlierDetector(
        DenoisingScoreMatcher(4, random_state=0), alpha=0.3, random_state=0
    ),
]

IMPUTERS = [DenoisingImputer(DenoisingScoreMatcher(4, random_state=0))]

# scikit-learn runs these on its own estimators only
EXTRA_CHECKS = [
    check_dataframe_column_names_consistency,
    check_get_feature_names_out_error,
    check_global_output_transform_pandas,
    check_global_set_output_transform_polars,
    check_inplace_ensure_writeable,
    check_param_validation,
    check_set_output_transform,
    check_set_output_transform_pandas,
    check_set_output_transform_polars,
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
]


def name_of(check):
    return getattr(check, "func", check).__name__


def libraries(check):
    """Names of the array libraries that a check is for; a check of NumPy has none."""
    options = getattr(check, "keywords", {})
    places = [options.get(key) for key in ("X_ns_and_device", "other_ns_and_device")]
    names = {options.get("array_namespace"), *(place.xp for place in places if place)}
    return names - {None, "numpy"}


def run(check, *arguments):
    try:
        check(*arguments)
    except SkipTest as reason:
        pytest.fail(f"{name_of(check)} was skipped: {reason}")


@pytest.fixture(autouse=True)
def scipy_is_told(monkeypatch):
    """The checks of arrays ask for this; nothing that SciPy does here depends on it."""
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")


# of EllipticEnvelope, on the rows of a check
@pytest.mark.filterwarnings("ignore:::sklearn.covariance._robust_covariance")
@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        (estimator, check)
        for one in ESTIMATORS + CALIBRATED + IMPUTERS
        for estimator, check in estimator_checks_generator(one)
        if not libraries(check)
    ],
    ids=_get_check_estimator_ids,
)
def test_check_passes(estimator, check):
    run(check, estimator)


# the checks of set_output fit on a data frame, transform arrays, and expect the warning
@pytest.mark.filterwarnings("ignore:X .* feature names:UserWarning")
@pytest.mark.parametrize("check", EXTRA_CHECKS, ids=name_of)
@pytest.mark.parametrize("estimator", [ESTIMATORS[1], *IMPUTERS], ids=str)
def test_check_for_scikit_learns_own_estimators_passes(estimator, check):
    run(check, type(estimator).__name__, estimator)


def test_no_check_is_left_out():
    names = [name_of(check) for _, check in estimator_checks_generator(ESTIMATORS[0])]
    assert len(names) >= 60
    assert {
        "check_array_api_input",
        "check_fit_idempotent",
        "check_methods_subset_invariance",
        "check_outliers_train",
        "check_sample_weight_equivalence_on_dense_data",
        "check_transformer_preserve_dtypes",
    } <= set(names)
