"""The energy-based model in ONNX operators.

`OnnxEnergyModel` mirrors `EnergyModel`: a method has the name and the
formula of the one there, and returns a node of the graph in place of an array. What is
new in the model, or in the estimator's rankings, goes into the same place here.
"""

from functools import cached_property

import numpy as np

from skdsm.detection.landmarks import ROUNDING
from skdsm.model.geometry import centre_rows

__all__ = ["SCORES", "OnnxEnergyModel"]


class OnnxEnergyModel:
    """Nodes that evaluate a model on symbolic rows.

    Parameters
    ----------
    model : EnergyModel
        The fitted model.
    X : node or variable of skl2onnx
        Rows, of shape (n_samples, d) and type `dtype`.
    dtype : dtype
        float32 or float64: of the rows, and of all that is computed.
    opset : int
        Version of ONNX's operators.

    Raises
    ------
    ValueError
        If a parameter of the model overflows in `dtype`; from any method.
    """

    def __init__(self, model, X, dtype, opset):
        self._parameters = model.parameters
        self._sigma = model.sigma
        self._X = X
        self._dtype = np.dtype(dtype)
        self._opset = opset

    def node(self, operator, *inputs, **attributes):
        """Make a node; among its inputs, floats and arrays of them become constants."""
        from skl2onnx.algebra import onnx_ops

        make = getattr(onnx_ops, f"Onnx{operator}")
        inputs = [
            self._constant(value) if np.asarray(value).dtype.kind == "f" else value
            for value in inputs
        ]
        return make(*inputs, op_version=self._opset, **attributes)

    def _constant(self, value):
        with np.errstate(over="ignore"):
            array = np.asarray(value, dtype=self._dtype)
        if not np.isfinite(array).all():
            raise ValueError(
                f"A parameter of the model overflows in {self._dtype}. Please convert "
                "the model for rows of float64, or rescale the data and fit again."
            )
        return array

    @cached_property
    def centred(self):
        """Rows in the frame centred at c."""
        return self._centre(self._parameters.intercept_visible)

    def _centre(self, c):
        """Rows in the frame centred at c, bounded as `centre_rows` does.

        In single precision c is subtracted in two parts, of which the first is c
        rounded: far from zero one part alone would displace all rows by its rounding.
        """
        rounded = self._constant(c)
        Z = self.node("Sub", self._X, rounded)
        rest = c - rounded.astype(np.float64)
        if rest.any():
            Z = self.node("Sub", Z, rest)
        limit = float(np.sqrt(np.finfo(self._dtype).max / (4 * len(c))))
        return self.node("Clip", Z, -limit, limit)

    @cached_property
    def preactivation(self):
        """``W z + (b + W c)``."""
        parameters = self._parameters
        W = parameters.components
        bias = parameters.intercept_hidden + W @ parameters.intercept_visible
        return self.node("Gemm", self.centred, W, bias, transB=1)

    @cached_property
    def hidden(self):
        """``h = logistic(u)``."""
        return self.node("Sigmoid", self.preactivation)

    @cached_property
    def residual(self):
        """``r(x) - x``."""
        parameters = self._parameters
        decoder = parameters.gains[:, np.newaxis] * parameters.components
        decoded = self.node("MatMul", self.hidden, decoder)
        return self.node("Sub", decoded, self.centred)

    @cached_property
    def residual_square(self):
        """``|r(x) - x|^2``."""
        return self._square_norm(self.residual)

    def softplus(self, U):
        """``max(u, 0) + log(1 + exp(-|u|))``.

        ONNX has an operator of that name, but onnxruntime's is infinite from 710 on in
        double precision, and slower in single.
        """
        tail = self.node("Exp", self.node("Neg", self.node("Abs", U)))
        tail = self.node("Log", self.node("Add", tail, 1.0))
        return self.node("Add", self.node("Relu", U), tail)

    @cached_property
    def energy(self):
        """``(|z|^2 / 2 - sum_j g_j softplus(u_j)) / sigma^2``."""
        units = self.node(
            "MatMul", self.softplus(self.preactivation), self._parameters.gains
        )
        quadratic = self.node("Mul", self._square_norm(self.centred), 0.5)
        difference = self.node("Sub", quadratic, units)
        return self.node("Div", difference, self._sigma**2)

    @cached_property
    def score_norm(self):
        """``|r(x) - x| / sigma^2``."""
        length = self.node("Sqrt", self.residual_square)
        return self.node("Div", length, self._sigma**2)

    def squared_distance(self, landmarks):
        """Soft minimum of the squared distances: `Landmarks.squared_distance`.

        Parameters
        ----------
        landmarks : Landmarks
            Rows that were kept.

        Returns
        -------
        node
            Squared distances, of shape (n_samples,).
        """
        node, eps = self.node, float(np.finfo(self._dtype).eps)
        rate = 0.5 / landmarks.bandwidth**2
        origin, weight = landmarks.origin, landmarks.weight
        Z = self._centre(origin)
        L = centre_rows(landmarks.X.astype(self._dtype), origin)
        length = np.einsum("ij,ij->i", L, L)
        z = self._square_norm(Z, keepdims=1)
        distance = node("Add", node("Gemm", Z, -2 * L, length, transB=1), z)
        distance = node("Relu", distance)
        total = node("Mul", z, 0.0)
        if len(weight) > 1:
            limit = ROUNDING * eps * eps * (origin @ origin)
            limit = node("Add", node("Mul", z, 2 * ROUNDING * eps), limit)
            is_landmark = node("LessOrEqual", self._least(distance), limit)
            nearest = node("ArgMin", distance, axis=1, keepdims=1)
            column = node("Equal", nearest, np.arange(len(weight))[np.newaxis])
            column = node("And", is_landmark, column)
            farther, less = landmarks.as_itself
            # what is added to zero need not be infinite
            farther = np.minimum(farther, np.finfo(self._dtype).max / 8)
            distance = node("Add", distance, node("Where", column, farther, 0.0))
            less = node("Where", column, less, 0.0)
            total = node("MatMul", less, np.ones((len(weight), 1)))
        total = node("Add", total, weight.sum())
        least = self._least(distance)
        kernel = node("Exp", node("Mul", node("Sub", distance, least), -rate))
        share = node("Div", node("MatMul", kernel, weight[:, np.newaxis]), total)
        share = node("Clip", share, float(np.finfo(self._dtype).tiny), 1.0)
        distance = node("Sub", least, node("Mul", node("Log", share), 1 / rate))
        return node("Squeeze", distance, np.array([1]))

    def combined(self, landmarks, scales):
        """``-log(1 + a / a_0) - log(1 + b / b_0)``: `Detector`.

        Parameters
        ----------
        landmarks : Landmarks
            Rows that were kept.
        scales : ndarray of shape (2,)
            Typical distances a_0 and b_0.

        Returns
        -------
        node
            Scores, of shape (n_samples,).
        """
        terms = [
            self.node(
                "Sub",
                np.log(scale),
                self.node("Log", self.node("Add", distance, scale)),
            )
            for distance, scale in zip(
                (self.residual_square, self.squared_distance(landmarks)),
                scales,
                strict=True,
            )
        ]
        return self.node("Add", *terms)

    def _least(self, distance):
        # there is no wrapper of ReduceMin for all versions
        negative = self.node("Neg", distance)
        most = self.node("ReduceMaxApi18", negative, axes=[1], keepdims=1)
        return self.node("Neg", most)

    def _square_norm(self, Z, keepdims=0):
        # the axis became an input in version 18; this wrapper of skl2onnx hides that
        return self.node("ReduceSumSquareApi18", Z, axes=[1], keepdims=keepdims)


# What `score_samples` returns, by the estimator's parameter `ranking`; scales and
# landmarks come from the Detector, or are None.
SCORES = {
    "energy": lambda model, landmarks, scales: model.node("Neg", model.energy),
    "score_norm": lambda model, landmarks, scales: model.node("Neg", model.score_norm),
    "combined": lambda model, landmarks, scales: model.combined(landmarks, scales),
}
