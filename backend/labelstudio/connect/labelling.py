"""The labelling configuration: without one that can be used, nothing else of the project is touched."""

from __future__ import annotations

from backend.errors import ConfigError
from backend.finding import Finding, Severity
from backend.labelstudio.labels.config import parse

_WHERE = "Settings, Labeling Interface"


def check_labelling(label_config: str) -> list[Finding]:
    """What the configuration draws, or what is wrong with it."""
    try:
        config = parse(label_config)
    except ConfigError as error:
        return [Finding("config", Severity.ERROR, str(error), _WHERE)]
    warnings = [Finding("config", Severity.WARNING, text, _WHERE) for text in config.warnings]
    helpers = (
        f"; {', '.join(config.helpers)}: only to help, what they mark is not learnt" if config.helpers else ""
    )
    text = f"draws {', '.join(config.labels)} with {config.writer.kind.tag}{helpers}"
    return [*warnings, Finding("config", Severity.OK, text)]
