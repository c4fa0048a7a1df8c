"""scikit-learn's callbacks follow a fit, see models that score, and may end it."""

from collections import Counter

import numpy as np
import pytest
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.quick_fits import (
    CONFIGURATIONS,
    QUERIES,
    assert_same_model,
    normal_rows,
    quick,
    with_every_model_or_value,
)

X = normal_rows()
Y = np.zeros(len(X))  # what ScoringMonitor asks for, and the estimator ignores


class Recorder:
    """Keeps the events of a fit; asks for an end where `stop` says so."""

    def __init__(self, stop=lambda context, count: False):
        self.events = []
        self.models = []
        self.arguments = []
        self.contexts = []
        self.count = Counter()
        self.stop = stop

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.contexts.append(context)
        self.events.append(("begin", context.task_name))
        self.arguments.append((estimator, X, y, metadata))

    def on_fit_task_end(
        self,
        estimator,
        context,
        *,
        X=None,
        y=None,
        metadata=None,
        fitted_estimator=None,
    ):
        self.events.append(("end", context.task_name))
        if fitted_estimator is not None:
            self.models.append((context, fitted_estimator))
            self.arguments.append((estimator, X, y, metadata))
            self.count[context.task_name] += 1
            return self.stop(context, self.count)


def recorded_fit(recorder, rows=X, *, y=None, sample_weight=None, **parameters):
    matcher = quick(**parameters).set_callbacks(recorder)
    return matcher.fit(rows, y, sample_weight=sample_weight)


with_every_model = pytest.mark.parametrize(
    "parameters", CONFIGURATIONS.values(), ids=CONFIGURATIONS
)
# --- What they see ---


@with_every_model_or_value("constant", [False, True], chosen=[False])
def test_tasks_nest_and_every_begin_has_an_end(constant, parameters):
    recorder = Recorder()
    recorded_fit(recorder, np.ones((5, 2)) if constant else X, **parameters)
    assert recorder.events[0] == "setup"
    assert recorder.events[-1] == "teardown"
    inside = {"fit": [], "stage": ["fit"], "lbfgs-iter": ["fit", "stage"]}
    path = []
    for event, name in recorder.events[1:-1]:
        if event == "begin":
            assert path == inside[name]
            path.append(name)
        else:
            assert path.pop() == name
    assert path == []


@with_every_model
def test_there_is_a_model_for_every_iteration_stage_and_fit(parameters):
    recorder = Recorder()
    matcher = recorded_fit(recorder, **parameters)
    assert recorder.count == {
        "lbfgs-iter": matcher.n_iter_,
        "stage": len(matcher.stage_ends_),
        "fit": 1,
    }


def test_contexts_form_a_tree():
    recorder = Recorder()
    recorded_fit(recorder)
    for context in recorder.contexts:
        parent = {"fit": None, "stage": "fit", "lbfgs-iter": "stage"}[context.task_name]
        assert (
            context.parent is None
            if parent is None
            else (context.parent.task_name == parent)
        )
        assert context.estimator_name == "DenoisingScoreMatcher"
        if context.task_name == "lbfgs-iter":
            assert context.max_subtasks == 0
            assert context.task_id < context.parent.max_subtasks


@with_every_model
def test_models_in_hooks_are_ready_to_use(parameters):
    recorder = Recorder()
    matcher = recorded_fit(recorder, **parameters)
    # the first, some, and what stages and the fit end with
    for _, model in [*recorder.models[::15], *recorder.models[-2:]]:
        for query in QUERIES:
            assert np.isfinite(getattr(model, query)(X)).all(), query
    first, last = recorder.models[0][1], recorder.models[-1][1]
    assert_same_model(last, matcher)
    assert not np.array_equal(first.components_, last.components_)


def test_models_in_hooks_get_better():
    recorder = Recorder()
    recorded_fit(recorder, normal_rows(n_samples=300))
    ends = recorder.models[0][1], recorder.models[-1][1]
    noisy = np.random.default_rng(5).normal(X, 0.5)
    first, last = (((model.reconstruct(noisy) - X) ** 2).mean() for model in ends)
    assert last < first


@with_every_model
def test_a_model_in_a_hook_is_what_fit_would_have_returned(parameters):
    """Had it ended after that many iterations."""
    recorder = Recorder()
    recorded_fit(recorder, **parameters)
    iterations = [
        model for context, model in recorder.models if context.task_name == "lbfgs-iter"
    ]
    with pytest.warns(ConvergenceWarning):
        short = quick(max_iter=7, **parameters).fit(X)
    for name in ["components_", "intercept_hidden_", "gains_", "sigma_", "offset_"]:
        np.testing.assert_array_equal(
            getattr(iterations[6], name), getattr(short, name), err_msg=name
        )


def test_hooks_are_given_the_data():
    recorder = Recorder()
    matcher = recorded_fit(recorder, y=Y)
    for estimator, rows, y, metadata in recorder.arguments:
        assert estimator is matcher
        np.testing.assert_array_equal(rows, X)
        assert y is Y
        assert metadata is None


def test_hooks_are_given_the_weights():
    weight = np.arange(len(X))
    recorder = Recorder()
    recorded_fit(recorder, sample_weight=weight)
    for *_, metadata in recorder.arguments:
        np.testing.assert_array_equal(metadata["sample_weight"], weight)


@with_every_model
def test_watching_changes_nothing(parameters):
    assert_same_model(
        recorded_fit(Recorder(), **parameters), quick(**parameters).fit(X)
    )


def test_nothing_of_the_callbacks_stays_but_the_callbacks():
    matcher = recorded_fit(Recorder())
    matcher.set_callbacks()
    assert vars(matcher).keys() == vars(quick().fit(X)).keys()


# --- Early stopping ---


@pytest.mark.parametrize("n_iter", [1, 7, 30, 31, 45])
def test_a_stop_at_an_iteration_is_honoured(n_iter):
    def stop(context, count):
        return context.task_name == "lbfgs-iter" and count["lbfgs-iter"] == n_iter

    recorder = Recorder(stop)
    matcher = recorded_fit(recorder)
    assert matcher.n_iter_ == n_iter
    assert len(matcher.loss_curve_) == n_iter
    assert matcher.stage_ends_[-1] == n_iter
    assert recorder.events[-2:] == [("end", "fit"), "teardown"]


@pytest.mark.parametrize("n_stages", [1, 2])
def test_a_stop_at_a_stage_is_honoured(n_stages):
    def stop(context, count):
        return context.task_name == "stage" and count["stage"] == n_stages

    matcher = recorded_fit(Recorder(stop), normal_rows(100), tol=0.0)
    assert len(matcher.stage_ends_) == n_stages
    assert matcher.n_iter_ == 30 * n_stages


def test_every_begin_has_an_end_after_a_stop():
    recorder = Recorder(lambda context, count: count["lbfgs-iter"] == 5)
    recorded_fit(recorder)
    tasks = Counter(event for event in recorder.events if isinstance(event, tuple))
    for name in ["fit", "stage", "lbfgs-iter"]:
        assert tasks["begin", name] == tasks["end", name]


def test_a_stopped_model_is_the_one_of_that_iteration():
    recorder = Recorder(lambda context, count: count["lbfgs-iter"] == 7)
    stopped = recorded_fit(recorder)
    with pytest.warns(ConvergenceWarning):
        short = quick(max_iter=7).fit(X)
    np.testing.assert_array_equal(stopped.components_, short.components_)


# --- scikit-learn's own ---


@pytest.mark.parametrize("rows", [X, np.ones((5, 2))], ids=["normal", "constant"])
def test_progress_bar_shows_every_stage(rows, capsys):
    matcher = quick().set_callbacks(ProgressBar()).fit(rows)
    shown = capsys.readouterr().out
    assert "DenoisingScoreMatcher - fit" in shown
    for index in range(len(matcher.stage_ends_)):
        assert f"DenoisingScoreMatcher - stage #{index}" in shown
    assert_same_model(matcher, quick().fit(rows))


def iteration_scores(monitor):
    return [row for row in monitor.get_logs().data if row["task_name"] == "lbfgs-iter"]


def own_score(estimator, X, y):
    return estimator.score(X, y)


def test_scoring_monitor_scores_every_iteration():
    monitor, recorder = ScoringMonitor(scoring={"own": own_score}), Recorder()
    matcher = quick().set_callbacks(monitor, recorder).fit(X, Y)
    scores = [row["own"] for row in iteration_scores(monitor)]
    assert len(scores) == matcher.n_iter_
    assert scores == [
        model.score(X)
        for context, model in recorder.models
        if context.task_name == "lbfgs-iter"
    ]
    assert scores[-1] == matcher.score(X) > scores[0]


@pytest.mark.parametrize("weight", [None, np.arange(len(X))], ids=["", "weighted"])
def test_scoring_monitor_knows_scorers_by_name_and_passes_weights_on(weight):
    near = np.linalg.norm(X, axis=1) < 2
    monitor = ScoringMonitor(scoring="roc_auc")
    matcher = quick().set_callbacks(monitor).fit(X, near, sample_weight=weight)
    scores = [row["roc_auc"] for row in iteration_scores(monitor)]
    assert len(scores) == matcher.n_iter_
    assert scores[-1] == roc_auc_score(
        near, matcher.score_samples(X), sample_weight=weight
    )


# --- Among other estimators ---


class PropagatedRecorder(Recorder):
    """Set on a meta-estimator, it follows the estimators inside."""

    max_propagation_depth = None


def test_callbacks_of_a_search_follow_the_fits_inside():
    recorder = PropagatedRecorder()
    search = GridSearchCV(quick(), {"sigma": [0.3, 0.6]}, cv=2, error_score="raise")
    search.set_callbacks(recorder).fit(X)
    assert_same_model(search.best_estimator_, quick(**search.best_params_).fit(X))
    tasks = Counter(event for event in recorder.events if isinstance(event, tuple))
    for (event, name), number in tasks.items():
        if event == "begin":
            assert tasks["end", name] == number, name
    fits = [
        model
        for context, model in recorder.models
        if context.estimator_name == "DenoisingScoreMatcher"
        and context.task_name == "fit"
    ]
    assert len(fits) == 2 * 2 + 1
    assert not hasattr(search.best_estimator_, "_skl_callbacks")


def test_progress_bar_of_a_search_in_parallel(capsys):
    search = GridSearchCV(quick(), {"sigma": [0.3, 0.6]}, cv=2, n_jobs=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X)
    assert "DenoisingScoreMatcher" in capsys.readouterr().out


def test_callbacks_of_the_estimator_work_inside_a_search_and_a_pipeline():
    monitor = ScoringMonitor(scoring={"own": own_score})
    GridSearchCV(
        quick().set_callbacks(monitor), {"sigma": [0.3, 0.6]}, cv=2, error_score="raise"
    ).fit(X, Y)
    # two noise levels on two folds, and the refit
    runs = {row["task_id_path"][:-2] for row in iteration_scores(monitor)}
    assert len(runs) == 5

    recorder = Recorder()
    pipeline = make_pipeline(StandardScaler(), quick().set_callbacks(recorder)).fit(X)
    assert recorder.count["lbfgs-iter"] == pipeline[-1].n_iter_
