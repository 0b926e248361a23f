"""How each strategy is drawn, the same in every picture."""

import dataclasses
from collections.abc import Sequence

from model.experiment.record.run import RANDOM


@dataclasses.dataclass(frozen=True)
class Style:
    """How one strategy is drawn; told apart by any one of colour, marker and dash."""

    colour: str
    marker: str
    dash: str | tuple[float, tuple[float, ...]]


# Okabe and Ito's colours, which people with the common colour-vision deficiencies tell apart;
# the first three as in the paper's figure 1.
STYLES = {
    "task_dependent": Style("#000000", "D", (0, (5, 2))),
    RANDOM: Style("#0072B2", "x", "-"),
    "ensemble": Style("#D55E00", "P", (0, (7, 2, 1.5, 2))),
    "trusted": Style("#009E73", "o", (0, (1.5, 1.5))),
    "uncertainty": Style("#CC79A7", "^", (0, (9, 3))),
    "farthest_first": Style("#E69F00", "s", (0, (4, 1.5, 1.5, 1.5, 1.5, 1.5))),
    "alike": Style("#56B4E9", "v", (0, (3, 1))),
    "looks": Style("#F0E442", "<", (0, (2, 4))),
    # from here on Tol's muted colours
    "herding": Style("#332288", "*", (0, (1, 3))),
    "random_foreground": Style("#882255", "X", (0, (6, 1, 1, 1))),
    "influence": Style("#117733", "h", (0, (8, 1.5))),
    "coverage": Style("#AA4499", ">", (0, (1, 1))),
    "uherding": Style("#999933", "p", (0, (5, 1, 1, 1, 1, 1))),
    "error_reduction": Style("#7F7F7F", "d", (0, (2, 1.5))),
}
# of strategies that have none yet
SPARE_STYLES = (
    Style("#44AA99", "8", (0, (10, 3))),
    Style("#8C564B", "H", (0, (3, 3))),
)


def styles_of(names: Sequence[str]) -> dict[str, Style]:
    """The same style for a strategy in every picture; those without one share the spare ones."""
    others = [name for name in names if name not in STYLES]
    return STYLES | {name: SPARE_STYLES[place % len(SPARE_STYLES)] for place, name in enumerate(others)}
