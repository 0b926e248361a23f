"""Which images to label next:
the batch with the best worst-case expected dice (Eq. 3, step 6), and an order over the whole pool."""

from model.selection.greedy_search import greedy
from model.selection.objective import Objective
from model.selection.outcome import RankedImage, Ranking, Selection
from model.selection.problem import expected_dice
from model.selection.ranking import rank
from model.selection.solver import maximin

__all__ = [
    "Objective",
    "RankedImage",
    "Ranking",
    "Selection",
    "expected_dice",
    "greedy",
    "maximin",
    "rank",
]
