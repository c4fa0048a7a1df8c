"""Whether a larger sample of rows would pay, told by rows that training has not seen.

The loss of a model that was fitted to n corrupted rows exceeds the loss of one fitted
to infinitely many by about c / n. So if the sample has grown by a factor of q to n, and
the loss has gained g, then c / n is g / (q - 1), and growth to N corrupted rows in all
can gain at most ::

    g / (q - 1) * (1 - n / N)

Growth pays if that exceeds the tolerance, and g its own standard error: both models are
compared on the same rows under the same noise.
"""

import numpy as np

__all__ = ["GROUPS", "UNSEEN_ROWS", "Growth", "gain_of_growth", "reducible"]

UNSEEN_ROWS = 2**15  # at most, that are asked
GROUPS = 32  # of them, whose differences tell the standard error
_FACTOR = 4  # of the sample's size, if training starts with the present one


class Growth:
    """Goes through the stages of a schedule, and stops where growth would not pay.

    Training begins with the parameters `start`. ``risks(stage)`` goes through the risks
    of groups of rows that the stage does not see, of about equal weight. A gain counts
    from the fraction `tol` of the reducible loss on.
    """

    def __init__(self, schedule, start, risks, *, identity_loss, tol):
        self._schedule, self._risks = schedule, risks
        self._identity_loss, self._tol = identity_loss, tol
        self._smaller, self._before = None, start

    def next_stage(self, stage, improved, parameters):
        """Stage after one that has ended with these parameters, or None."""

        def pays():
            return self._pays(stage, parameters)

        following = self._schedule.after(stage, improved, pays)
        if following != stage:
            self._smaller, self._before = stage, parameters
        return following

    def _pays(self, stage, parameters):
        """Whether more corrupted rows would pay; asked at the end of this size."""
        models = self._before, parameters
        losses = np.array([[risk(p)[0] for p in models] for risk in self._risks(stage)])
        factor = stage.size / self._smaller.size if self._smaller else _FACTOR
        further = self._schedule.last().size / stage.size
        gain, error = gain_of_growth(losses, factor, further)
        least = self._tol * reducible(losses[:, 1].mean(), self._identity_loss)
        return gain > max(error, least)


def gain_of_growth(losses, factor, further):
    """Expected gain of growth by a factor of `further`, and its standard error.

    `losses` (k, 2) are the groups' before and after growth by `factor`.
    """
    gains = losses[:, 0] - losses[:, 1]
    share = (1 - 1 / further) / (factor - 1)
    error = np.std(gains, ddof=1) / np.sqrt(len(gains))
    return share * gains.mean(), share * error


def reducible(loss, identity_loss):
    """Part of the loss that a better model could still move, by order of magnitude.

    At a small noise level nearly all of the noise stays, whatever the model: what
    counts is the distance from the identity. At a large one, nearly all of it goes.
    """
    return min(abs(loss), abs(identity_loss - loss))
