"""The service's settings: one typed object from the environment."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit, urlunsplit

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from backend.errors import SettingsError
from backend.project_settings import ProjectSettings, explain, known_recipe
from backend.setting_checks import is_cron_time, is_server, plain_address
from model.machine import usable_cores, usable_memory

MARK = "SERVICE_MARK"
"""Variable that tells the web server which service started it; no setting."""
EMBEDDED_REDIS_FILE = "redis-url"
BACKEND_FILE = "backend-url"
"""File in MODEL_DIR that holds the address of the embedded Redis while it runs, for commands started in
another shell."""
MOST_HOURS = 500_000
"""An alarm of the system takes 2 ** 31 seconds."""
MOST_BYTES = 512_000_000
"""Memory for one image, of 64 million pixels: with its libraries, a process stays below 1.5 GB (measured)."""


def _empty_is_none(value: object) -> object:
    """An empty environment variable means the same as an absent one."""
    return None if isinstance(value, str) and not value.strip() else value


def _from_json(value: object) -> object:
    """What the JSON in a variable says, an empty object for `null`; text that is none, such as a name, as it
    is."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return str(value).strip()
    return {} if value is None or value == "" else value


Optional_ = Annotated[str | None, BeforeValidator(_empty_is_none)]


class Settings(BaseSettings):
    """Everything the service reads from the environment;
    names are the fields' in capitals (LABEL_STUDIO_URL, ...)."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True, extra="ignore", frozen=True, validate_default=True
    )

    label_studio_url: str = Field(
        "http://127.0.0.1:8080", description="Address at which this service reaches Label Studio."
    )
    label_studio_public_url: Optional_ = Field(
        None, description="Address at which browsers reach Label Studio; unset: LABEL_STUDIO_URL."
    )
    label_studio_api_key: SecretStr | None = Field(
        None, description="Legacy token or personal access token of the user it acts as."
    )
    redis_url: Optional_ = Field(
        None, description="redis://host:port/db; unset: an embedded Redis of `python -m backend up`."
    )
    model_dir: Path = Field(Path("data"), description="Folder for models, rounds and caches of this machine.")
    storage_url: Optional_ = Field(
        None, description="Shared storage of several machines (fsspec: s3://bucket/folder); unset: MODEL_DIR."
    )
    basic_auth_user: Optional_ = Field(
        None, description="User that Label Studio and browsers must give; with BASIC_AUTH_PASS."
    )
    basic_auth_pass: SecretStr | None = Field(None, description="Password of BASIC_AUTH_USER.")
    host: str = Field("127.0.0.1", description="Address the web server listens on.")
    port: int = Field(9090, ge=1, le=65535, description="Port the web server listens on.")
    backend_url: Optional_ = Field(
        None, description="Address at which Label Studio reaches this service; unset: HOST and PORT."
    )
    public_url: Optional_ = Field(
        None,
        description="Address at which browsers reach this service; unset: BACKEND_URL, or HOST and PORT.",
    )
    workers: int = Field(
        1, ge=1, le=256, description="Worker processes for trainings and rows on this machine."
    )
    threads: int | None = Field(
        None, ge=1, description="Processor threads of a network; unset: the cores shared out among WORKERS."
    )
    quiet_seconds: float = Field(
        20.0, ge=0, description="Seconds without a label after which a training starts."
    )
    labels_to_train: int = Field(
        5, ge=1, description="Labels after which a training starts without waiting for quiet."
    )
    gather_seconds: int = Field(2, ge=1, le=60, description="Seconds between checks of the gathered events.")
    tick_seconds: int = Field(
        60, ge=1, le=3600, description="Seconds between syncs of each project with Label Studio."
    )
    nightly: str = Field(
        "0 2 * * *",
        description="Cron time (local) at which projects that have changed are ranked anew; 'off': never.",
    )
    max_body_mb: float = Field(64, gt=0, allow_inf_nan=False, description="Largest request body in MiB.")
    max_images: int = Field(
        10_000,
        ge=1,
        description="Unlabelled images that a round compares; further ones follow in task order.",
    )
    image_hosts: str = Field(
        "",
        description=(
            "Servers of private networks that images may be fetched from, with commas (storage.lab,"
            " 10.0.0.5:9000)."
        ),
    )
    models_kept: int = Field(
        8,
        ge=1,
        description="Models that the web server keeps in memory, the one used longest ago goes first.",
    )
    max_megapixels: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description=(
            "Largest image that is worked on, in million pixels, up to 178; unset: 64, or what the memory"
            " allows."
        ),
    )
    job_hours: float = Field(24, gt=0, le=MOST_HOURS, description="Hours after which a job is given up.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_json: bool = Field(False, description="One JSON object a line instead of text.")
    recipe: Annotated[dict[str, object], NoDecode] = Field(
        default_factory=dict,
        description='Training settings as JSON, such as {"width": 32, "steps": 1200}, or a name: paper.',
    )
    project_defaults: Annotated[dict[str, object], NoDecode] = Field(
        default_factory=dict, description="Project settings as JSON; extra params win."
    )

    @model_validator(mode="before")
    @classmethod
    def _blank_is_unset(cls, values: dict[str, object]) -> dict[str, object]:
        return {name: value for name, value in values.items() if _empty_is_none(value) is not None}

    @field_validator("label_studio_url", "label_studio_public_url", "backend_url", "public_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return None if value is None else plain_address(value)

    @field_validator("recipe", mode="before")
    @classmethod
    def _check_recipe(cls, value: object) -> dict[str, object]:
        # Here, as a typo must not be told only when the labels are made.
        return known_recipe(_from_json(value))

    @field_validator("project_defaults", mode="before")
    @classmethod
    def _read_defaults(cls, value: object) -> object:
        found = _from_json(value)
        if not isinstance(found, dict):
            raise ValueError(f'found {str(value)[:80]!r}, expected JSON such as {{"budget": 5}}')
        return found

    @field_validator("project_defaults")
    @classmethod
    def _check_defaults(cls, value: dict[str, object]) -> dict[str, object]:
        try:
            ProjectSettings.model_validate(value)
        except ValidationError as error:
            raise ValueError(explain(error, ProjectSettings)) from error
        return value

    @field_validator("host")
    @classmethod
    def _host(cls, value: str) -> str:
        host = value.strip().removeprefix("[").removesuffix("]")
        if "/" in host or host.count(":") == 1:  # an address of IPv6 has more
            raise ValueError(f"found {value!r}, expected a name or number alone; the port is PORT")
        return host

    @field_validator("image_hosts")
    @classmethod
    def _image_hosts(cls, value: str) -> str:
        wrong = [name for name in map(str.strip, value.split(",")) if name and not is_server(name)]
        if wrong:
            raise ValueError(
                f"found {wrong[0]!r}, expected names or numbers of servers, with a port or without, such as"
                " storage.lab, 10.0.0.5:9000"
            )
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in ("redis", "rediss", "unix"):
            raise ValueError(
                f"found {masked_url(value)!r}, expected an address such as redis://127.0.0.1:6379/0"
            )
        return value

    @field_validator("label_studio_api_key", "basic_auth_pass", mode="before")
    @classmethod
    def _secret(cls, value: object) -> object:
        return _empty_is_none(value)

    @field_validator("label_studio_api_key")
    @classmethod
    def _key(cls, value: SecretStr | None) -> SecretStr | None:
        key = value.get_secret_value().strip() if value is not None else ""
        if not (key.isascii() and key.isprintable()):
            raise ValueError("holds line breaks or signs that no key has; copy it again")
        return value

    @field_validator("nightly")
    @classmethod
    def _cron(cls, value: str) -> str:
        if value.strip().lower() != "off" and not is_cron_time(value):
            raise ValueError(
                f"found {value!r}, expected a cron time of five fields (minute, hour, day, month, weekday)"
                " that comes, such as '0 2 * * *', or 'off'"
            )
        return value.strip()

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.basic_auth_user is None) != (self.basic_auth_pass is None):
            raise ValueError(
                "BASIC_AUTH_USER and BASIC_AUTH_PASS: found only one of them, expected both or none"
            )
        return self

    @property
    def api_key(self) -> str:
        """The key in clear. Raises SettingsError when it is not set."""
        if self.label_studio_api_key is None:
            raise SettingsError(
                "LABEL_STUDIO_API_KEY is not set; copy a token from Label Studio (Account & Settings, Access"
                " Token or Personal Access Token) and set it."
            )
        return self.label_studio_api_key.get_secret_value()

    @property
    def basic_auth(self) -> tuple[str, str] | None:
        """(user, password) that requests to this service must carry, None when it is open."""
        if self.basic_auth_user is None or self.basic_auth_pass is None:
            return None
        return self.basic_auth_user, self.basic_auth_pass.get_secret_value()

    @property
    def own_url(self) -> str:
        """The address at which Label Studio reaches this service."""
        return self.backend_url or self.local_url

    @property
    def local_url(self) -> str:
        """The address at which programs of this machine reach the web server."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]" if _only_ipv6() else "127.0.0.1"}.get(
            self.host, self.host
        )
        return f"http://{_bracketed(host)}:{self.port}"

    @property
    def bind(self) -> str:
        """HOST and PORT as a web server wants them."""
        return f"{_bracketed(self.host)}:{self.port}"

    def page_of(self, project_id: int) -> str:
        """The address of a project's status page, for people."""
        return f"{self.public_url or self.own_url}/projects/{project_id}"

    @property
    def redis_address(self) -> str:
        """REDIS_URL, or the embedded Redis that runs. Raises SettingsError when there is neither."""
        if self.redis_url:
            return self.redis_url
        try:
            return (self.model_dir / EMBEDDED_REDIS_FILE).read_text().strip()
        except OSError as error:
            raise SettingsError(
                f"REDIS_URL is not set and no embedded Redis runs for MODEL_DIR {self.model_dir}; "
                "start `python -m backend up` first, or set REDIS_URL."
            ) from error

    @property
    def torch_threads(self) -> int:
        """Processor threads that one job's networks use."""
        return self.threads or max(1, usable_cores() // self.workers)

    @property
    def allowed_image_hosts(self) -> tuple[str, ...]:
        """IMAGE_HOSTS one by one, in small letters."""
        return tuple(name.strip().lower() for name in self.image_hosts.split(",") if name.strip())

    @property
    def most_pixels(self) -> int:
        """Pixels of the largest image that is worked on:
        all workers and the web server may have one in hand at once."""
        from model.data.images.header import BYTES_A_PIXEL, MAX_PIXELS

        if self.max_megapixels is not None:
            return min(round(self.max_megapixels * 1e6), MAX_PIXELS)
        return min(usable_memory() // (self.workers + 1) // 2, MOST_BYTES) // BYTES_A_PIXEL

    @property
    def described(self) -> dict[str, str]:
        """Every setting as text with secrets masked, for printing at the start."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {
            name: masked_url(str(value)) if "://" in str(value) else str(value)
            for name, value in values.items()
        }

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.described.items())

    __repr__ = __str__


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _only_ipv6() -> bool:
    """Whether a server on all addresses (::) is not reached at 127.0.0.1."""
    try:
        return Path("/proc/sys/net/ipv6/bindv6only").read_text().strip() == "1"
    except OSError:
        return False


def read_settings(**overrides: Any) -> Settings:
    """The settings of this process's environment.
    Raises SettingsError naming each variable that cannot be used."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError(f"Settings: {explain(error, Settings, environment=True)}") from error


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return read_settings()


def masked_url(url: str) -> str:
    """A web or Redis address without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return urlunsplit(
        parts._replace(
            netloc=f"{parts.username or ''}:****@{parts.hostname}{f':{parts.port}' if parts.port else ''}"
        )
    )
