"""What more than one test file asks pytest for.

model, training, rows, mcmc, density and detection mirror the packages of skdsm, and
know nothing of the estimator but where a claim is only visible there. estimator: what
its users are promised, by claim and kind of input. display: pictures; tables and
command mirror their packages; pages: figures and commands of doc. support: data, quick
fits, reference implementations; saved_models: files of earlier versions. At the top:
the modules at the top of skdsm.
"""

import pytest


@pytest.fixture
def figures():
    """Close the figures that a test leaves open."""
    import matplotlib.pyplot as plt

    before = set(plt.get_fignums())
    yield
    for number in set(plt.get_fignums()) - before:
        plt.close(number)
