"""Every error of the service; each message says what was found, what was expected, and what to do next."""

from model.errors import ImageError


class BackendError(Exception):
    """Base of all errors that an administrator can fix; anything else that escapes is a defect of ours."""


class ConfigError(BackendError):
    """The project's labelling configuration cannot be used; the text says what is missing in it."""


class RegionError(BackendError):
    """One region of one annotation cannot be turned into a mask; the other tasks can go on."""


class UnknownLabelError(RegionError):
    """A region's label is not in the labelling configuration: it has been renamed or removed since."""

    def __init__(self, message: str, *, label: str) -> None:
        super().__init__(message)
        self.label = label


class TaskImageError(BackendError, ImageError):
    """The image of one task cannot be fetched or worked on; the other tasks can go on.

    `lasting`: that image will never do here (too large), so that it is not tried again and again. `remedy`:
    the command or click that helps all images like it, where there is one.
    """

    def __init__(self, message: str, *, lasting: bool = False, remedy: str = "") -> None:
        super().__init__(message)
        self.lasting = lasting
        self.remedy = remedy


class LabelStudioError(BackendError):
    """Label Studio refused a request, or answered something unexpected;
    `status` is its HTTP status where there was one."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def passing(self) -> bool:
        """Whether it may pass by itself:
        a server that is overloaded, or, on SQLite, 500 while another process writes."""
        return self.status in (429, 500, 502, 503, 504)


class UnreachableError(LabelStudioError):
    """Label Studio does not answer, even after retries; trying again later can help."""

    @property
    def passing(self) -> bool:
        """Always: the server may be started again."""
        return True


class NoAnswerError(LabelStudioError):
    """One image does not come, because of the network or a storage that is away;
    others may, as Label Studio itself answers.

    `server` is set where nothing comes from a whole server, so that nobody waits for its other images as
    well.
    """

    def __init__(self, message: str, *, server: str = "") -> None:
        super().__init__(message)
        self.server = server


class ApiKeyError(LabelStudioError):
    """Label Studio does not accept the API key (wrong, expired, or of a kind the organization has
    disabled)."""


class RedirectedError(LabelStudioError):
    """LABEL_STUDIO_URL leads elsewhere;
    `final` is the address to set in its place, "" where it cannot be told."""

    def __init__(self, message: str, *, final: str, status: int) -> None:
        super().__init__(message, status=status)
        self.final = final


class UnknownProjectError(LabelStudioError):
    """There is no project of that id, or the key's user may not see it."""


class NotConnectedError(BackendError):
    """The project has never been connected to this service."""


class PriorityError(LabelStudioError):
    """The priorities that Label Studio holds are not the ones that were to be written;
    the previous order stays in force."""


class ProcessError(BackendError):
    """A program that the service needs did not start, or ended too early."""


class SettingsError(BackendError):
    """A setting of the environment or of a project's extra params cannot be used."""


class StorageError(BackendError):
    """The shared storage cannot be reached, or does not hold what it should."""


class StorageAwayError(StorageError):
    """The shared storage does not answer; trying again later can help."""

    passing = True


class VersionError(BackendError):
    """There is no such model version, or it cannot be used."""


class RequestError(BackendError):
    """An HTTP request cannot be answered as it is; `status` is the answer's HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class QueueError(BackendError):
    """Redis cannot be reached, or a job is not known to it."""


class StoppedError(BackendError):
    """Base of what ends a job early on purpose; no failure, and not tried again."""


class FenceLostError(StoppedError):
    """Another run of this job has taken over; this one must not write any more."""


class SupersededError(StoppedError):
    """A newer round of the project has been started; this one's result is no longer wanted."""


class CancelledError(StoppedError):
    """A person cancelled the job."""
