"""The ranking as a CSV: rank,file,batch,expected_dice,reason."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from model.files import write_bytes
from model.reason import describe_reason
from model.strategies.base import Ranking

COLUMNS = ("rank", "file", "batch", "expected_dice", "reason")


def write_table(ranking: Ranking, path: Path) -> None:
    """One line an unlabelled image, best first;
    batch is 1 for those to label now, expected_dice is empty where a strategy has none.

    A file's name that is no text in UTF-8 keeps its bytes.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for query in ranking.queries:
        expected = "" if query.expected_dice is None else f"{query.expected_dice:.4f}"
        writer.writerow(
            [query.rank, query.image, int(query.in_batch), expected, describe_reason(query.reason)]
        )
    write_bytes(path, text.getvalue().encode(errors="surrogateescape"))
