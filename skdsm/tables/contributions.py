"""Explanations in terms of the columns of a table."""

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline

from skdsm.tables.encoder import TableEncoder

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["column_contributions"]


def column_contributions(model: Any, X: Any) -> "pd.DataFrame":
    """Split the anomaly of each row among the columns of its table.

    Parameters
    ----------
    model : Pipeline
        Fitted pipeline that begins with a :class:`TableEncoder` and ends in a
        :class:`~skdsm.DenoisingScoreMatcher`; or a
        :class:`~skdsm.calibration.ConformalOutlierDetector` around one.

    X : DataFrame of shape (n_samples, n_features)
        Table.

    Returns
    -------
    contributions : DataFrame of shape (n_samples, n_columns)
        For each encoded column of the table the sum of ``feature_contributions``; zero
        at missing cells. The index is the index of X.

    Raises
    ------
    TypeError
        If the model is not of this form.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.pipeline import make_pipeline
    >>> from skdsm import DenoisingScoreMatcher
    >>> from skdsm.tables import TableEncoder, column_contributions
    >>> table = pd.DataFrame({
    ...     "price": [2.5, 2.6, 2.4, 95.0, 99.0, 97.0] * 20,
    ...     "product": ["tea", "tea", "tea", "pot", "pot", "pot"] * 20,
    ... })
    >>> matcher = DenoisingScoreMatcher(random_state=0)
    >>> model = make_pipeline(TableEncoder(), matcher).fit(table)
    >>> odd = pd.DataFrame({"price": [400], "product": ["tea"]})
    >>> column_contributions(model, odd).idxmax(axis=1).tolist()
    ['price']
    """
    import pandas as pd

    pipeline = getattr(model, "estimator_", model)
    if not (
        isinstance(pipeline, Pipeline)
        and isinstance(pipeline[0], TableEncoder)
        and hasattr(pipeline[-1], "feature_contributions")
    ):
        raise TypeError(
            "column_contributions needs a fitted pipeline from a TableEncoder to a "
            f"DenoisingScoreMatcher, got {type(model).__name__}."
        )
    encoder = pipeline[0]
    encoded = rows = encoder.transform(X)
    for step in pipeline[1:-1]:
        rows = step.transform(rows)
    shares = np.where(np.isnan(encoded), 0, pipeline[-1].feature_contributions(rows))
    column_of = encoder.column_of_feature_
    sums = {name: shares[:, column_of == name].sum(axis=1) for name in encoder.kinds_}
    return pd.DataFrame(sums, index=getattr(X, "index", None))
