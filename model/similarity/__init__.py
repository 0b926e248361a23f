"""The similarity d of the method:
rows of single-image networks (Eq. 2) and their completion (Eq. 4), over a round's images."""

from model.similarity.completion import complete
from model.similarity.rows import RowStore, predictions_of, row_seed, train_row

__all__ = ["RowStore", "complete", "predictions_of", "row_seed", "train_row"]
