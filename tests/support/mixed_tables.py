"""Small tables of orders, with columns of every kind."""

import numpy as np
import pandas as pd

_PRICES = {"tea": 6.0, "cup": 12.0, "pot": 35.0}


def orders(n_rows=240, seed=0):
    """Orders: an identifier, categories, numbers, a date, a text code, a constant."""
    rng = np.random.default_rng(seed)
    product = rng.choice(list(_PRICES), n_rows, p=[0.5, 0.3, 0.2])
    price = np.array([_PRICES[word] for word in product])
    hours = pd.to_timedelta(rng.integers(0, 9, n_rows) + 8, unit="h")
    days = pd.to_timedelta(np.arange(n_rows) // 3, unit="D")
    return pd.DataFrame(
        {
            "order_id": [f"A{j:05d}" for j in rng.permutation(n_rows)],
            "product": product,
            "price": (price * rng.lognormal(0, 0.1, n_rows)).round(2),
            "quantity": rng.poisson(2, n_rows) + 1,
            "express": rng.random(n_rows) < 0.2,
            "when": pd.Timestamp("2024-01-01") + days + hours,
            "code": [f"AB-{j:04d}" for j in rng.permutation(10 * n_rows)[:n_rows]],
            "currency": "EUR",
        }
    )
