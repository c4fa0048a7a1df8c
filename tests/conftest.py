"""What more than one test file asks pytest for."""

import pytest


@pytest.fixture
def figures():
    """Close the figures that a test leaves open."""
    import matplotlib.pyplot as plt

    before = set(plt.get_fignums())
    yield
    for number in set(plt.get_fignums()) - before:
        plt.close(number)
