"""Tables as text."""

import pandas as pd


def to_markdown(table: pd.DataFrame, rule: str = "---:") -> str:
    """A table whose first column stands left."""
    lines = [list(table.columns), ["---", *[rule] * (len(table.columns) - 1)], *table.to_numpy().tolist()]
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
