"""Every error of the science package;
each message says what was found, what was expected, and what to do next."""

from collections.abc import Mapping


class ModelError(Exception):
    """Base of all errors that a user can fix; anything else that escapes is a defect of ours."""


class ImageError(ModelError):
    """One image cannot be used; the others can go on."""


class MaskError(ModelError):
    """One mask cannot be used; the others can go on."""


class PoolError(ModelError):
    """The images as a whole cannot be used (an empty folder, duplicate names)."""


class TooFewLabelsError(ModelError):
    """Fewer labelled images than the step needs."""


class BudgetError(ModelError):
    """The budget is not between 1 and the number of unlabelled images."""


class RecipeError(ModelError):
    """A training setting is out of its range."""


class DivergedError(ModelError):
    """A training has ended in weights that are no numbers."""


class CheckpointError(ModelError):
    """A saved network is missing, half-written or of another kind."""


class StrategyError(ModelError):
    """An unknown strategy, or one that cannot work on this round."""


class NothingFoundError(StrategyError):
    """The model finds nothing in any image, so that they cannot be compared; more labels help."""


class NoNetworkError(StrategyError):
    """None of the networks that a strategy needs could be trained."""


class OutputError(ModelError):
    """A result cannot be written where it should go."""


class ProcessEndedError(ModelError):
    """A process that shared the work was killed."""


class ResultsError(ModelError):
    """A results.json that cannot be resumed from (half-written, or of another protocol)."""


class ProtocolError(ResultsError):
    """Results were made under another protocol;
    `different` tells what was found and asked by key, the narrowest ones (recipe.steps), None for nothing."""

    def __init__(self, message: str, *, different: Mapping[str, tuple[object, object]]) -> None:
        super().__init__(message)
        self.different = different
