"""Every error of the service; each message says what was found, what was expected, and what to do next."""


class BackendError(Exception):
    """Base of all errors that an administrator can mend; anything else that escapes is a defect of ours."""


class ConfigError(BackendError):
    """The project's labelling configuration cannot be used; the text says what is missing in it."""


class RegionError(BackendError):
    """One region of one annotation cannot be turned into a mask; the other tasks can go on."""


class TaskImageError(BackendError):
    """The image of one task cannot be fetched; the other tasks can go on."""


class LabelStudioError(BackendError):
    """Label Studio refused a request, or answered something unexpected."""


class UnreachableError(LabelStudioError):
    """Label Studio does not answer, even after retries; trying again later can help."""


class ApiKeyError(LabelStudioError):
    """Label Studio does not accept the API key (wrong, expired, or of a kind the organization has disabled)."""


class UnknownProjectError(LabelStudioError):
    """There is no project of that id, or the key's user may not see it."""


class PriorityError(LabelStudioError):
    """The priorities that Label Studio holds are not the ones that were to be written; the previous order stays in force."""


class ProcessError(BackendError):
    """A program that the service needs did not start, or ended too early."""
