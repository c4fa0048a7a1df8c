"""The transformer that makes rows of numbers of a table."""

import warnings
from collections import Counter
from collections.abc import Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from skdsm._typing import Doubles
from skdsm.exceptions import SentinelWarning
from skdsm.tables.kinds import KINDS, as_kind, kind_of, usual_categories
from skdsm.tables.sentinels import find_sentinels
from skdsm.tables.steps import (
    AmountScaler,
    DateEncoder,
    TextEncoder,
    indicators,
    shape_of,
    soften,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TableEncoder"]

_NAMED = 3  # categories, in words about a column
_WORTH_NAMING = 0.01  # of the cells
_HALF = 0.5  # a category drawn or denoised is the one with more than this


class TableEncoder(TransformerMixin, BaseEstimator):
    """Encoder of mixed tables for detectors: numbers, categories, dates, text codes.

    It looks at each column of a pandas DataFrame, finds out what kind of values the
    column holds, and encodes it so that columns of all kinds have about the same scale.
    The encoded rows are float64, for :class:`~skdsm.DenoisingScoreMatcher` or any other
    estimator. The work is done by a :class:`~sklearn.compose.ColumnTransformer`.

    ==========  ========================================================================
    kind        encoded as
    ==========  ========================================================================
    number      the number, standardised
    amount      the number on a logarithmic scale, standardised. Amounts are not
                negative, and one in a hundred exceeds ten times the median and fifty
                times a small amount.
    category    zero or one for each category that is not rare, less the mean, and
                divided by the square root of the standard deviation. Rare categories
                and new ones have zeros everywhere. Booleans and columns with two
                different numbers are categories.
    date        the time that passed, standardised; and cosine and sine of the time of
                day, of the weekday and of the time of year, where the dates are long
                enough apart to tell, each pair with the variance of one number. Dates
                later than all of the fit count as the last.
    text        words that seldom repeat: the length, standardised, and zero or one for
                each shape that is not rare, as for categories. The shape of "AB-123" is
                "a-9".
    ==========  ========================================================================

    Left out, see `dropped_`: columns that are empty or have one value only, columns
    that count the rows, and identifiers. Identifiers are columns with a name such as
    "id", "order_id" or "customerId", whose values are mostly rare.

    Missing cells (None, NaN, NaT) give NaN in all encoded columns of their column.

    Read more in the :ref:`User Guide <mixed_tables>`.

    Parameters
    ----------
    kinds : dict, default=None
        Kinds of columns, by name, for those that the encoder should not choose itself:
        "number", "amount", "category", "date", "text" or "drop".

    min_frequency : float or int, default=0.01
        Categories and shapes in fewer rows are rare: a share of the rows if float, and
        two rows at least; a number of rows if int.

    sentinels : {"missing", "keep"}, default="missing"
        What to do with codes that stand for a missing value, such as -1, 9999 or the
        year 1900: treat them as missing, or keep them as they are. Both issue a
        :class:`~skdsm.exceptions.SentinelWarning` that names the codes. Numbers and
        dates are codes only if they are usual ones, repeated, and either far from all
        other values of the column or the only negative ones.

    Attributes
    ----------
    transformer_ : ColumnTransformer
        The fitted steps. Its input are the columns of `kinds_`, of one kind each.

    kinds_ : dict
        Kind of each encoded column, by name.

    dropped_ : dict
        Reason for each column that is left out, by name: "empty", "constant",
        "identifier", "row number" or "asked".

    sentinels_ : dict
        Codes found, by name of the column: a list of numbers, or of dates as text.

    typical_ : dict
        Typical values of each encoded column in words, by name: the range of the middle
        90 % of the cells, or the most frequent categories or shapes.

    n_features_in_ : int
        Number of columns seen in `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns seen in `fit`, if X had names that are all strings.

    See Also
    --------
    column_contributions : Explains scores, in terms of the columns of the table.
    sklearn.compose.ColumnTransformer : Does the same for columns chosen by hand.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.pipeline import make_pipeline
    >>> from skdsm import DenoisingScoreMatcher
    >>> from skdsm.tables import TableEncoder
    >>> table = pd.DataFrame({
    ...     "price": [2.5, 2.6, 2.4, 95.0, 99.0, 97.0] * 20,
    ...     "product": ["tea", "tea", "tea", "pot", "pot", "pot"] * 20,
    ...     "currency": ["EUR"] * 120,
    ... })
    >>> model = make_pipeline(TableEncoder(), DenoisingScoreMatcher(random_state=0))
    >>> model = model.fit(table)
    >>> model[0].kinds_, model[0].dropped_
    ({'price': 'number', 'product': 'category'}, {'currency': 'constant'})
    >>> new = pd.DataFrame({"price": [2.5, 98], "product": "tea", "currency": "EUR"})
    >>> near, far = model.score_samples(new)
    >>> bool(near > far)
    True
    """

    _parameter_constraints = {
        "kinds": [Mapping, None],
        "min_frequency": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
        ],
        "sentinels": [StrOptions({"missing", "keep"})],
    }

    def __init__(
        self,
        *,
        kinds: Mapping[str, str] | None = None,
        min_frequency: float | int = 0.01,
        sentinels: Literal["missing", "keep"] = "missing",
    ) -> None:
        self.kinds = kinds
        self.min_frequency = min_frequency
        self.sentinels = sentinels

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: object = None) -> Self:
        """Find out the kinds of the columns, and fit their encoders.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_features)
            Table. Arrays and lists are taken as tables with columns x0, x1, ...

        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : TableEncoder
            The fitted encoder.

        Raises
        ------
        ValueError
            If no column is left, if two columns have the same name, if a number is
            infinite, or if `kinds` names a column or a kind that there is not.

        Warns
        -----
        SentinelWarning
            If codes for missing values are found.

        Examples
        --------
        >>> import pandas as pd
        >>> from skdsm.tables import TableEncoder
        >>> table = pd.DataFrame({"age": [31, 45, -1], "city": ["Bonn", "Bonn", "Ulm"]})
        >>> TableEncoder(kinds={"city": "drop"}).fit(table).kinds_
        {'age': 'number'}
        """
        table = self._table(X, reset=True)
        if len(table) < 2:
            raise ValueError("A table of n_samples = 1 row shows no kinds of columns.")
        kinds, dropped = self._choose_kinds(table)
        if not kinds:
            raise ValueError(
                "No column is left to encode: "
                + ", ".join(f"{name!r} is {why}" for name, why in dropped.items())
            )
        columns = {name: _cells(table[name], kind) for name, kind in kinds.items()}
        sentinels = self._find_sentinels(columns, kinds)
        columns = self._without_sentinels(columns, sentinels)
        # a column may hold nothing but codes and one more value
        for name in [n for n, cells in columns.items() if cells.nunique() < 2]:
            dropped[name] = "constant"
            del kinds[name], columns[name]
        if not kinds:
            raise ValueError("No column is left to encode: all are constant.")
        self.transformer_ = self._fit_steps(columns, kinds)
        self.kinds_, self.dropped_, self.sentinels_ = kinds, dropped, sentinels
        self.typical_ = {
            name: _typical(columns[name].dropna(), kind) for name, kind in kinds.items()
        }
        return self

    def transform(self, X: Any) -> Doubles:
        """Encode a table.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_features)
            Table with the columns of the fit.

        Returns
        -------
        encoded : ndarray of shape (n_samples, n_encoded)
            Numbers, NaN for missing cells.

        Raises
        ------
        ValueError
            If columns are missing, if a number is infinite, or if cells are not of the
            kind that the column had in the fit.

        Examples
        --------
        >>> import pandas as pd
        >>> from skdsm.tables import TableEncoder
        >>> table = pd.DataFrame({"age": [2, 4, 6, None], "ok": [True, False] * 2})
        >>> TableEncoder(min_frequency=1).fit_transform(table)
        array([[-1.22474487, -0.70710678,  0.70710678],
               [ 0.        ,  0.70710678, -0.70710678],
               [ 1.22474487, -0.70710678,  0.70710678],
               [        nan,  0.70710678, -0.70710678]])
        """
        check_is_fitted(self)
        table = self._table(X, reset=False)
        columns = {name: _cells(table[name], k) for name, k in self.kinds_.items()}
        columns = self._without_sentinels(columns, self.sentinels_)
        return self._encode(self.transformer_, columns)

    def inverse_transform(self, X: Any) -> "pd.DataFrame":
        """Decode rows, such as samples and imputed rows, into a table.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_encoded)
            Encoded rows.

        Returns
        -------
        table : DataFrame of shape (n_samples, n_columns)
            The columns of `kinds_`. A category is the one whose encoded value is
            largest, and missing if none exceeds one half. Text is missing: its shape
            does not tell the word.

        Examples
        --------
        >>> import pandas as pd
        >>> from skdsm.tables import TableEncoder
        >>> table = pd.DataFrame({"age": [20, 40, 60], "city": ["Ulm", "Ulm", "Bonn"]})
        >>> encoder = TableEncoder(min_frequency=1).fit(table)
        >>> encoder.inverse_transform([[0.0, -0.5, 0.4]])
            age city
        0  40.0  Ulm
        """
        import pandas as pd

        check_is_fitted(self)
        X = np.asarray(X, dtype=np.float64)
        if X.ndim != 2 or X.shape[1] != len(self.column_of_feature_):
            raise ValueError(
                f"Encoded rows have {len(self.column_of_feature_)} columns, got an "
                f"array of shape {X.shape}."
            )
        decoded: dict[str, np.ndarray] = {}
        for step, fitted, names in self.transformer_.transformers_:
            block = X[:, self.transformer_.output_indices_[step]]
            if step in ("number", "amount"):
                cells = fitted.inverse_transform(block)
                decoded.update(zip(names, cells.T, strict=True))
            elif step == "category":
                ones = fitted[-1].inverse_transform(block)
                decoded.update(_decode_categories(ones, fitted[0].categories_, names))
            elif isinstance(fitted, DateEncoder):
                decoded[names[0]] = fitted.inverse_transform(block)[:, 0]
            else:
                decoded[names[0]] = np.full(len(X), None)
        return pd.DataFrame({name: decoded[name] for name in self.kinds_})

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the encoded columns.

        Parameters
        ----------
        input_features : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        names : ndarray of shape (n_encoded,)
            Names such as "price" and "product_tea".

        Examples
        --------
        >>> import pandas as pd
        >>> from skdsm.tables import TableEncoder
        >>> table = pd.DataFrame({"age": [20, 40, 60], "city": ["Ulm", "Ulm", "Bonn"]})
        >>> encoder = TableEncoder(min_frequency=1).fit(table)
        >>> encoder.get_feature_names_out().tolist()
        ['age', 'city_Bonn', 'city_Ulm']
        """
        check_is_fitted(self)
        return self.transformer_.get_feature_names_out()

    @property
    def column_of_feature_(self) -> np.ndarray:
        """Name of the table's column that each encoded column belongs to.

        Returns
        -------
        ndarray of shape (n_encoded,)
            Names, as in `kinds_`.
        """
        return _column_of_feature(self.transformer_)

    def _table(self, X, reset):
        """X as a DataFrame with unique names, checked against the fit."""
        import pandas as pd

        if hasattr(X, "sparse") and hasattr(X, "nnz") or hasattr(X, "tocsr"):
            raise TypeError("Sparse data was passed, but a table is dense.")
        if not hasattr(X, "iloc"):
            if hasattr(X, "to_pandas"):  # polars, pyarrow
                X = X.to_pandas()
            else:
                X = validate_data(
                    self,
                    X,
                    dtype=None,
                    reset=reset,
                    ensure_all_finite=False,
                    ensure_min_samples=1,
                )
                X = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
                return X.infer_objects()
        repeated = [name for name, k in Counter(X.columns).items() if k > 1]
        if repeated:
            raise ValueError(f"Columns have the same name: {repeated}.")
        validate_data(self, X, skip_check_array=True, reset=reset)
        if not len(X):
            raise ValueError("Found array with 0 sample(s): a table needs rows.")
        return X.rename(columns=str)

    def _choose_kinds(self, table):
        """Kinds of the columns to encode, and reasons for those left out."""
        asked = dict(self.kinds or {})
        unknown = [name for name in asked if name not in table]
        if unknown:
            raise ValueError(f"kinds names columns that X does not have: {unknown}.")
        wrong = {kind for kind in asked.values() if kind not in KINDS}
        if wrong:
            raise ValueError(f"kinds must be among {list(KINDS)}, got {sorted(wrong)}.")
        kinds, dropped = {}, {}
        for name in table:
            kind, reason = asked.get(name), "asked"
            if kind is None:
                values = table[name].dropna()
                kind, reason = kind_of(name, values, self.min_frequency)
            elif not table[name].notna().any():
                kind, reason = "drop", "empty"
            if kind == "drop":
                dropped[name] = reason
            else:
                kinds[name] = kind
        return kinds, dropped

    def _find_sentinels(self, columns, kinds):
        found = {}
        for name, kind in kinds.items():
            if kind in ("number", "amount", "date"):
                cells = columns[name].dropna().to_numpy()
                codes = find_sentinels(cells)
                if len(codes):
                    found[name] = [_plain(code) for code in codes]
        if found:
            codes = "; ".join(
                f"{name!r}: {', '.join(f'{code}' for code in codes)}"
                for name, codes in found.items()
            )
            what = "treated as missing" if self.sentinels == "missing" else "kept"
            warnings.warn(
                f"Columns hold codes that seem to stand for missing values. They are "
                f"{what}; see the parameter sentinels. {codes}",
                SentinelWarning,
                stacklevel=3,
            )
        return found

    def _without_sentinels(self, columns, sentinels):
        if self.sentinels == "keep":
            return columns
        hidden = {
            name: columns[name].isin(_as_cells(codes, columns[name]))
            for name, codes in sentinels.items()
            if name in columns
        }
        return columns | {n: columns[n].mask(where) for n, where in hidden.items()}

    def _fit_steps(self, columns, kinds):
        of = {k: [n for n, kind in kinds.items() if kind == k] for k in KINDS}
        steps = []
        scalers = {"number": StandardScaler(), "amount": AmountScaler()}
        steps += [(k, scalers[k], of[k]) for k in scalers if of[k]]
        if of["category"]:
            usual = [self._usual(columns[name].dropna()) for name in of["category"]]
            steps.append(("category", indicators(usual), of["category"]))
        steps += [(f"date {name}", DateEncoder(), [name]) for name in of["date"]]
        steps += [
            (f"text {name}", TextEncoder(self.min_frequency), [name])
            for name in of["text"]
        ]
        transformer = ColumnTransformer(
            steps, sparse_threshold=0, verbose_feature_names_out=False
        ).fit(_frame(columns))
        if of["category"]:
            soften(transformer.named_transformers_["category"])
        return transformer

    def _usual(self, words):
        """Categories to encode: those that are not rare, and one at least."""
        usual, _ = usual_categories(words, self.min_frequency)
        return usual or [words.mode()[0]]

    @staticmethod
    def _encode(transformer, columns):
        """Encoded columns; cells that are missing are missing in all of theirs."""
        encoded = np.asarray(transformer.transform(_frame(columns)), dtype=np.float64)
        column_of = _column_of_feature(transformer)
        for name, cells in columns.items():
            missing = cells.isna().to_numpy()
            if missing.any():
                encoded[np.ix_(missing, column_of == name)] = np.nan
        return encoded

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


def _cells(values, kind):
    """Cells of one kind; an error names the column."""
    try:
        cells = as_kind(values, kind)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(
            f"Column {values.name!r} is to hold values of the kind {kind!r}, but does "
            f"not: {error}"
        ) from None
    if kind in ("number", "amount") and np.isinf(cells).any():
        raise ValueError(f"Column {values.name!r} of input X contains infinity.")
    return cells


def _frame(columns):
    import pandas as pd

    return pd.DataFrame(
        {
            # scikit-learn's encoder takes None for one more category
            name: cells.fillna("") if cells.dtype == object else cells
            for name, cells in columns.items()
        }
    )


def _column_of_feature(transformer):
    """Column that each encoded feature belongs to: an array of names."""
    owners = np.empty(
        sum(s.stop - s.start for s in transformer.output_indices_.values()),
        dtype=object,
    )
    for step, fitted, names in transformer.transformers_:
        place = transformer.output_indices_[step]
        if step == "category":
            owners[place] = np.repeat(
                np.array(names, dtype=object), [len(c) for c in fitted[0].categories_]
            )
        else:
            # the steps for dates and text have one column each
            owners[place] = names if len(names) > 1 else names[0]
    return owners


def _decode_categories(block, categories, names):
    ends = np.cumsum([len(c) for c in categories])[:-1]
    for name, words, part in zip(
        names, categories, np.split(block, ends, axis=1), strict=True
    ):
        cells = words[part.argmax(axis=1)]
        yield name, np.where(part.max(axis=1) > _HALF, cells, None)


def _plain(code):
    """A code as a number or a text that a file can hold."""
    if isinstance(code, np.datetime64):
        return str(code.astype("datetime64[D]"))
    return int(code) if float(code).is_integer() else float(code)


def _as_cells(codes, cells):
    return [np.datetime64(code) for code in codes] if cells.dtype.kind == "M" else codes


def _typical(cells, kind):
    """What a column usually holds, in words."""
    if kind in ("number", "amount", "date"):
        low, high = cells.quantile([0.05, 0.95])
        if kind == "date":
            return f"{low:%Y-%m-%d} to {high:%Y-%m-%d}"
        return f"{low:.4g} to {high:.4g}"
    words = cells.map(shape_of) if kind == "text" else cells
    shares = words.value_counts(normalize=True)[:_NAMED]
    like = "like " if kind == "text" else ""
    return ", ".join(
        f"{like}{word} ({share:.0%})"
        for word, share in shares.items()
        if share >= _WORTH_NAMING
    )
