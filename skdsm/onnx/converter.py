"""Fitted models as ONNX graphs, to score rows without Python.

The functions need skl2onnx, which ``pip install "skdsm[onnx]"`` installs together with
onnxruntime; importing this module does not.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_array, check_is_fitted

from skdsm._typing import ArrayLike, Options
from skdsm.estimator import DenoisingScoreMatcher
from skdsm.onnx.graph import SCORES, OnnxEnergyModel

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["OUTPUTS", "register_converter", "to_onnx"]

# of a converted model, in this order; doc/api.rst describes them
OUTPUTS = ("label", "decision", "score_samples", "hidden")

_ALIAS = "SkdsmDenoisingScoreMatcher"
# which the graph computes in its own way
_METHODS = ("predict", "decision_function", "score_samples", "transform")


def to_onnx(
    model: BaseEstimator,
    X: ArrayLike,
    *,
    outputs: Sequence[str] = OUTPUTS,
    options: Options | None = None,
    target_opset: int | dict[str, int] | None = None,
) -> "ModelProto":
    """Convert a fitted model to ONNX.

    Parameters
    ----------
    model : DenoisingScoreMatcher or Pipeline
        The fitted estimator. In a pipeline, the other steps may be any that skl2onnx
        converts. A `DenoisingScoreMatcher` that is not the last step gives its hidden
        code to the next, as in scikit-learn.

    X : array-like of shape (n_samples, n_features)
        Example rows, at least one. Only the number of columns and the type matter: the
        graph takes float32 if X is float32, float64 otherwise, and computes and
        answers in that type.

    outputs : sequence of str, default=("label", "decision", "score_samples", "hidden")
        What the graph returns, if the last step is a `DenoisingScoreMatcher`; see
        :data:`OUTPUTS`. Outputs that are left out are not computed.

    options : dict, default=None
        Options for the other steps, as for ``skl2onnx.to_onnx``.

    target_opset : int or dict, default=None
        Version of ONNX's operators, as for ``skl2onnx.to_onnx``. None means the newest
        version that skl2onnx was tested with.

    Returns
    -------
    onnx_model : onnx.ModelProto
        A graph with the single input X, of shape (None, n_features).

    Raises
    ------
    ImportError
        If skl2onnx is not installed.
    NotFittedError
        If the model is not fitted.
    NotImplementedError
        If a subclass of `DenoisingScoreMatcher` has a method of its own for an output.
    ValueError
        If an output is unknown, if X does not fit the model, if a step picks columns by
        name, or if a parameter of the model overflows in float32.

    See Also
    --------
    register_converter : What to call first where columns are inputs of their own.

    Notes
    -----
    The graph does not validate rows. For a row with missing cells (NaN), which the
    estimator scores by the others, it returns scores of NaN and the label -1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdsm import DenoisingScoreMatcher
    >>> from skdsm.onnx import to_onnx
    >>> X = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    >>> matcher = DenoisingScoreMatcher(n_components=16, random_state=0)
    >>> model = make_pipeline(StandardScaler(), matcher).fit(X)
    >>> graph = to_onnx(model, X)
    >>> import onnxruntime
    >>> session = onnxruntime.InferenceSession(graph.SerializeToString())
    >>> label, score = session.run(["label", "score_samples"], {"X": X})
    >>> bool(np.array_equal(label, model.predict(X)))
    True
    >>> bool(np.allclose(score, model.score_samples(X), rtol=1e-4, atol=1e-4))
    True
    """
    check_is_fitted(model)
    register_converter()
    import skl2onnx
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    rows = check_array(X, dtype=[np.float64, np.float32])
    n_features = rows.shape[1]
    if n_features != model.n_features_in_:
        raise ValueError(
            f"X has {n_features} features, but the model was fitted with "
            f"{model.n_features_in_}."
        )
    tensor = FloatTensorType if rows.dtype == np.float32 else DoubleTensorType
    last = model
    while isinstance(last, Pipeline):
        last = last.steps[-1][1]
    chosen: dict[Any, Any] = {one: {"outputs": ("hidden",)} for one in _matchers()}
    if isinstance(last, DenoisingScoreMatcher):
        chosen[id(last)] = {"outputs": tuple(outputs)}
    try:
        return skl2onnx.to_onnx(
            model,
            initial_types=[("X", tensor([None, n_features]))],
            options=chosen | (options or {}),
            target_opset=target_opset,
        )
    except RuntimeError as error:
        if "column name" not in str(error):
            raise
        raise ValueError(
            "A step of the model picks columns by name, but this graph has the single "
            "input X. Please call skdsm.onnx.register_converter, and then "
            "skl2onnx.to_onnx with initial_types that name each column; or let the "
            "step pick columns by position."
        ) from error


def register_converter() -> None:
    """Make `DenoisingScoreMatcher` and its subclasses known to skl2onnx.

    Then ``skl2onnx.to_onnx`` and ``skl2onnx.convert_sklearn`` convert it, alone and in
    other models. Their argument ``options`` takes
    ``{DenoisingScoreMatcher: {"outputs": names}}`` with names from :data:`OUTPUTS`.
    Inside a :class:`~sklearn.pipeline.FeatureUnion`, or before another step, names have
    to be ``("hidden",)``. Calling it again changes nothing, except that subclasses that
    were defined since become known. A converter of your own for a subclass stays.

    A pipeline that picks columns by name needs inputs with these names: pass
    ``initial_types=[(name, DoubleTensorType([None, 1])) for name in X]``.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    See Also
    --------
    to_onnx : Registers the converter, and converts with suitable options.

    Examples
    --------
    >>> import numpy as np
    >>> import skl2onnx
    >>> from skdsm import DenoisingScoreMatcher
    >>> from skdsm.onnx import register_converter
    >>> register_converter()
    >>> X = np.array([[0.0], [1.0], [3.0]])
    >>> matcher = DenoisingScoreMatcher(2, random_state=0).fit(X)
    >>> graph = skl2onnx.to_onnx(matcher, X)
    >>> [output.name for output in graph.graph.output]
    ['label', 'decision', 'score_samples', 'hidden']
    """
    try:
        from skl2onnx import get_model_alias, update_registered_converter
    except ImportError as error:
        raise ImportError(
            "To convert models to ONNX, skl2onnx is needed. You can install it with "
            'pip install "skdsm[onnx]".'
        ) from error
    for one in _matchers():
        with suppress(RuntimeError):  # it has none
            if get_model_alias(one) != _ALIAS:
                continue
        update_registered_converter(
            one,
            _ALIAS,
            _set_output_types,
            _convert,
            parser=_declare_outputs,
            options={"outputs": None},
        )


def _matchers():
    """`DenoisingScoreMatcher` and its subclasses, also indirect ones."""
    found = [DenoisingScoreMatcher]
    for one in found:
        found += one.__subclasses__()
    return found


def _declare_outputs(scope, matcher, inputs, custom_parsers=None):
    """First step of skl2onnx: which variables come out of the operator."""
    from skl2onnx.common.data_types import Int64TensorType, guess_tensor_type

    names = scope.get_options(matcher, {"outputs": OUTPUTS})["outputs"]
    if not names or len(set(names)) < len(names) or not set(names) <= set(OUTPUTS):
        raise ValueError(
            f"outputs must be different names out of {OUTPUTS}, got {names!r}."
        )
    for method in _METHODS:
        if getattr(type(matcher), method) is not getattr(DenoisingScoreMatcher, method):
            raise NotImplementedError(
                f"{type(matcher).__name__} has its own {method}, which the graph of "
                "DenoisingScoreMatcher does not compute. Please write a converter, and "
                "pass it to skl2onnx.update_registered_converter."
            )
    operator = scope.declare_local_operator(_ALIAS, matcher)
    operator.inputs = inputs
    for name in names:
        integer = name == "label"
        kind = Int64TensorType() if integer else guess_tensor_type(inputs[0].type)
        operator.outputs.append(scope.declare_local_variable(name, kind))
    return operator.outputs


def _set_output_types(operator):
    """Second step of skl2onnx: the shapes of those variables."""
    n_rows = operator.inputs[0].get_first_dimension()
    n_components = operator.raw_operator.gains_.shape[0]
    for output in operator.outputs:
        hidden = output.raw_name == "hidden"
        output.type.shape = [n_rows, n_components] if hidden else [n_rows]


def _convert(scope, operator, container):
    """Third step of skl2onnx: the nodes."""
    from skl2onnx.algebra.onnx_ops import OnnxCast, OnnxConcat, OnnxIdentity
    from skl2onnx.common.data_types import (
        guess_numpy_type,
        guess_proto_type,
        guess_tensor_type,
    )

    matcher, opset = operator.raw_operator, container.target_opset
    kind = guess_tensor_type(operator.inputs[0].type)  # float32 for integers
    columns = [
        OnnxCast(part, to=guess_proto_type(kind), op_version=opset)
        for part in operator.inputs
    ]
    X = OnnxConcat(*columns, axis=1, op_version=opset)
    graph = OnnxEnergyModel(matcher._model(), X, guess_numpy_type(kind), opset)
    detector = matcher._detector(vars(matcher))
    score = SCORES[matcher.ranking]
    scores = score(graph, detector.landmarks, detector.scales)
    decision = graph.node("Sub", scores, matcher.offset_)
    is_inlier = graph.node("GreaterOrEqual", decision, 0.0)
    nodes = {
        "label": graph.node("Where", is_inlier, np.array([1]), np.array([-1])),
        "decision": decision,
        "score_samples": scores,
        "hidden": graph.hidden,
    }
    for output in operator.outputs:
        OnnxIdentity(
            nodes[output.raw_name], op_version=opset, output_names=[output]
        ).add_to(scope, container)
