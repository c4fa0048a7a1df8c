"""Pictures of a fitted model, in scikit-learn's Display form.

Each display stores what it draws: ``from_estimator`` computes it, ``plot`` draws it.
Displays take a :class:`~skdsm.DenoisingScoreMatcher`, or a
:class:`~sklearn.pipeline.Pipeline` that ends in one; axes are in the units of the data.
Matplotlib has to be installed; it is imported when a picture is drawn.
"""

from skdsm.display.energy import EnergyDisplay
from skdsm.display.feature_contributions import FeatureContributionsDisplay
from skdsm.display.loss_curve import LossCurveDisplay
from skdsm.display.samples import SamplesDisplay
from skdsm.display.score_distribution import ScoreDistributionDisplay
from skdsm.display.score_field import ScoreFieldDisplay

__all__ = [
    "EnergyDisplay",
    "FeatureContributionsDisplay",
    "LossCurveDisplay",
    "SamplesDisplay",
    "ScoreDistributionDisplay",
    "ScoreFieldDisplay",
]
