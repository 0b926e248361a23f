"""An S3-compatible server with users, keys and signatures, which can go away and come back with everything it held."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import pytest

from backend.processes import free_port

if TYPE_CHECKING:  # imported when it is asked for: most tests need none
    from moto.server import ThreadedMotoServer

BUCKET = "models"
REGION = "us-east-1"


@dataclass
class ObjectStore:
    """The server, one bucket, and the key of the one user who may use it."""

    port: int = field(default_factory=free_port)
    key: str = ""
    secret: str = ""
    _server: ThreadedMotoServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a machine needs to use it, beside STORAGE_URL."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": REGION,
        }

    def use(self, monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
        """Put its environment in force in this process, with changes (a wrong key)."""
        for name, value in {**self.environment, "AWS_MAX_ATTEMPTS": "1", **changes}.items():
            monkeypatch.setenv(name, value)
        forget_keys()

    def start(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self._server.start()

    def stop(self) -> None:
        assert self._server is not None
        self._server.stop()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Refuse connections; what it holds stays."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def prepare(self) -> None:
        """Make the bucket and its user, and from then on ask everyone for a key."""
        import boto3

        self._ask_for_keys("inf")
        root = {"endpoint_url": self.url, "aws_access_key_id": "root", "aws_secret_access_key": "root", "region_name": REGION}
        boto3.client("s3", **root).create_bucket(Bucket=BUCKET)
        users = boto3.client("iam", **root)
        users.create_user(UserName="lab")
        access = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]}],
        }
        users.put_user_policy(UserName="lab", PolicyName="bucket", PolicyDocument=json.dumps(access))
        made = users.create_access_key(UserName="lab")["AccessKey"]
        self.key, self.secret = made["AccessKeyId"], made["SecretAccessKey"]
        self._ask_for_keys("0")

    def _ask_for_keys(self, after: str) -> None:
        httpx.post(f"{self.url}/moto-api/reset-auth", content=after).raise_for_status()


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """One for all tests that ask for it; each uses a folder of its own in the bucket."""
    store = ObjectStore()
    store.start()
    store.prepare()
    yield store
    forget_keys()
    store.stop()


def forget_keys() -> None:
    """Connections of this process keep the keys that they were made with; the next ones read the environment."""
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()
