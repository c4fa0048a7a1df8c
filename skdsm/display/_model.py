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

    Attributes
    ----------
    estimator : DenoisingScoreMatcher or Pipeline
        The whole.
    steps : tuple of Pipeline
        What prepares rows for the model; the pipelines are nested if their number
        exceeds one, and there are none for a bare model.
    matcher : DenoisingScoreMatcher
        The model.
    """

    estimator: Any
    steps: tuple
    matcher: Any

    @classmethod
    def of(cls, estimator):
        """Take a fitted estimator apart.

        Parameters
        ----------
        estimator : DenoisingScoreMatcher or Pipeline
            The estimator.

        Returns
        -------
        PreparedModel
            Its parts.

        Raises
        ------
        TypeError
            If the model has no energy.
        NotFittedError
            If the estimator is not fitted.
        """
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
        """Bring rows into the frame of the model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the data.

        Returns
        -------
        array-like of shape (n_samples, n_prepared_features)
            What the model sees of them.
        """
        for steps in self.steps:
            X = steps.transform(X)
        return X

    def prepared_names(self, names):
        """Name the features that the model sees.

        Parameters
        ----------
        names : list of str
            Names of the features of the data.

        Returns
        -------
        list of str
            Names of what the steps make of them; numbers where a step gives no names.
        """
        for steps in self.steps:
            try:
                names = steps.get_feature_names_out(np.asarray(names, dtype=object))
            except AttributeError:  # a step gives no names
                n_features = self.matcher.n_features_in_
                return [f"prepared feature {j}" for j in range(n_features)]
        return [str(name) for name in names]

    def restore(self, Z):
        """Bring rows from the frame of the model back into that of the data.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_prepared_features)
            Rows as the model sees them.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Rows in the units of the data.
        """
        for steps in reversed(self.steps):
            Z = steps.inverse_transform(Z)
        return np.asarray(Z)

    def energy(self, X):
        """Evaluate the energy of the rows that the model sees.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the data.

        Returns
        -------
        ndarray of shape (n_samples,)
            Energies.
        """
        return self.matcher.energy(self.prepare(X))

    def move(self, X):
        """Evaluate how the denoiser moves rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the data.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Where it puts them less where they are, in the units of the data.
        """
        Z = self.prepare(X)
        # not less X: what a step such as PCA drops is not the denoiser's doing
        return self.restore(self.matcher.reconstruct(Z)) - self.restore(Z)


class Table(NamedTuple):
    """Validated rows, and what is needed to make more rows like them.

    Attributes
    ----------
    rows : ndarray of shape (n_samples, n_features)
        The rows.
    names : list of str
        Names of their features.
    source : array-like
        What the rows came as.
    """

    rows: np.ndarray
    names: list
    source: Any

    @classmethod
    def of(cls, X, model=None):
        """Validate rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows. Missing values pass if the model is behind steps, which may
            impute them.
        model : PreparedModel, optional
            The model, whose features they should have.

        Returns
        -------
        Table
            The rows, with the names they have, or that the estimator was fitted with,
            or made up.

        Raises
        ------
        ValueError
            If they are no table of finite numbers, not like those of the fit, or on
            another device.
        """
        backend = backend_of(X)
        if isinstance(backend, ArrayBackend):
            raise ValueError(
                f"X is {backend.where}, but pictures are computed in "
                "memory. Please pass a NumPy array, with array_api_dispatch=False."
            )
        imputable = model is not None and model.steps
        finite = "allow-nan" if imputable else True
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
        """Put other rows into the container that these came in.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, n_features)
            Rows.

        Returns
        -------
        array-like of shape (n_rows, n_features)
            A frame with the same columns if the table was one, or the array.
        """
        columns = getattr(self.source, "columns", None)
        if columns is None:
            return rows
        if hasattr(self.source, "iloc"):  # pandas
            return type(self.source)(rows, columns=columns)
        return type(self.source)(rows, schema=list(columns), orient="row")  # polars

    def feature_indices(self, features):
        """Find features by number or name.

        Parameters
        ----------
        features : sequence of int or str
            The features.

        Returns
        -------
        list of int
            Their columns.

        Raises
        ------
        ValueError
            If there is no such feature, or one is given twice.
        TypeError
            If one is neither an integer nor a string.
        """
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
