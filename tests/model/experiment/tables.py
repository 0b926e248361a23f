"""Tables of a report, as cells."""


def row(text: str, section: str, *start: str) -> list[str]:
    """Give the cells of the row whose first cells are `start`, in a section of the text; "" for all of it."""
    part = text.split(f"## {section}\n")[1].split("\n## ")[0] if section else text
    rows = [
        [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split(" |")]
        for line in part.splitlines()
        if line.startswith("|")
    ]
    return next(cells for cells in rows if tuple(cells[: len(start)]) == start)
