"""The model that a picture shows, behind the steps that prepare its rows."""

from operator import index
from typing import Any, NamedTuple

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from skdsm._sklearn.array_backend import ArrayBackend
from skdsm._sklearn.backends import backend_of

__all__ = ["PreparedModel", "Table"]


class PreparedModel(NamedTuple):
    """A fitted estimator, taken apart.

    `steps` are the pipelines that prepare rows for the model `matcher`: one per level
    of nested pipelines, none for a bare model.
    """

    estimator: Any
    steps: tuple
    matcher: Any

    @classmethod
    def of(cls, estimator):
        """Take a fitted matcher, or a Pipeline that ends in one, apart."""
        steps, matcher = [], estimator
        while isinstance(matcher, Pipeline):
            if len(matcher) > 1:
                steps.append(matcher[:-1])
            matcher = matcher[-1]
        if not hasattr(matcher, "energy"):
            raise TypeError(
                "The estimator must be a DenoisingScoreMatcher or a Pipeline that ends "
                f"in one; {type(matcher).__name__} has no energy."
            )
        check_is_fitted(estimator)
        return cls(estimator, tuple(steps), matcher)

    def prepare(self, X):
        """Rows as the model sees them."""
        for steps in self.steps:
            X = steps.transform(X)
        return X

    def prepared_names(self, names):
        """Names of features as the model sees them; numbers if a step has no names."""
        for steps in self.steps:
            try:
                names = steps.get_feature_names_out(np.asarray(names, dtype=object))
            except AttributeError:  # a step gives no names
                n_features = self.matcher.n_features_in_
                return [f"prepared feature {j}" for j in range(n_features)]
        return [str(name) for name in names]

    def restore(self, Z):
        """Rows in the units of the data, from rows as the model sees them."""
        for steps in reversed(self.steps):
            Z = steps.inverse_transform(Z)
        return np.asarray(Z)

    def energy(self, X):
        """Energy of rows in the units of the data, of shape (n_samples,)."""
        return self.matcher.energy(self.prepare(X))

    def move(self, X):
        """How the denoiser moves rows, in the units of the data."""
        Z = self.prepare(X)
        # not less X: what a step such as PCA drops is not the denoiser's doing
        return self.restore(self.matcher.reconstruct(Z)) - self.restore(Z)


class Table(NamedTuple):
    """Validated rows (n_samples, n_features), their names, and what they came as."""

    rows: np.ndarray
    names: list
    source: Any

    @classmethod
    def of(cls, X, model=None, missing=False):
        """Validate rows.

        Missing values pass if `missing` is true, or the model is behind steps, which
        may impute them. Names come with the rows, or from the estimator's fit, or are
        made up.
        """
        backend = backend_of(X)
        if isinstance(backend, ArrayBackend):
            raise ValueError(
                f"X is an array of {backend.device.xp.__name__}, but pictures "
                "are computed in memory. Please pass a NumPy array, with "
                "array_api_dispatch=False."
            )
        imputable = model is not None and model.steps
        finite = "allow-nan" if imputable or missing else True
        rows = check_array(X, dtype=np.float64, ensure_all_finite=finite)
        names = getattr(X, "columns", None)
        if model is not None:
            validate_data(model.estimator, X, reset=False, skip_check_array=True)
            if names is None:
                names = getattr(model.estimator, "feature_names_in_", None)
        if names is None:
            names = [f"feature {j}" for j in range(rows.shape[1])]
        return cls(rows, [str(name) for name in names], X)

    def like(self, rows):
        """Other rows (n_rows, n_features), in the container that these came in."""
        columns = getattr(self.source, "columns", None)
        if columns is None:
            return rows
        if hasattr(self.source, "iloc"):  # pandas
            return type(self.source)(rows, columns=columns)
        return type(self.source)(rows, schema=list(columns), orient="row")  # polars

    def feature_indices(self, features):
        """Columns of features given by number or name, all different."""
        indices = [self._index(feature) for feature in features]
        if len(set(indices)) < len(indices):
            raise ValueError(f"features must differ, got {features!r}.")
        return indices

    def _index(self, feature):
        if isinstance(feature, str):
            if feature not in self.names:
                raise ValueError(
                    f"There is no feature named {feature!r}; there are: "
                    f"{', '.join(self.names)}."
                )
            return self.names.index(feature)
        feature = index(feature)
        if not 0 <= feature < len(self.names):
            raise ValueError(
                f"features must be names, or numbers from 0 to {len(self.names) - 1}, "
                f"got {feature}."
            )
        return feature
