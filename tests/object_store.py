"""An S3-compatible server with users, keys and signatures, which can go away and come back with everything it
held."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import httpx
import pytest

from backend.run.processes import free_port

BUCKET = "models"
REGION = "us-east-1"


@dataclass
class ObjectStore:
    """The server, one bucket, and the key of the one user who may use it."""

    gate: Gate
    key: str = ""
    secret: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gate.port}"

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

    @contextmanager
    def away(self) -> Iterator[None]:
        """Cut all connections and refuse new ones; what it holds stays."""
        self.gate.close()
        try:
            yield
        finally:
            self.gate.open()

    @contextmanager
    def signed(self) -> Iterator[None]:
        """Serve addresses that are signed (presigned);
        this server then checks neither these nor keys, as it cannot check both."""
        self._ask_for_keys("inf")
        try:
            yield
        finally:
            self._ask_for_keys("0")

    def prepare(self) -> None:
        """Make the bucket and its user, and from then on ask everyone for a key."""
        import boto3

        self._ask_for_keys("inf")
        root = {
            "endpoint_url": self.url,
            "aws_access_key_id": "root",
            "aws_secret_access_key": "root",
            "region_name": REGION,
        }
        boto3.client("s3", **root).create_bucket(Bucket=BUCKET)
        users = boto3.client("iam", **root)
        users.create_user(UserName="lab")
        access = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "s3:*",
                    "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
                }
            ],
        }
        users.put_user_policy(UserName="lab", PolicyName="bucket", PolicyDocument=json.dumps(access))
        made = users.create_access_key(UserName="lab")["AccessKey"]
        self.key, self.secret = made["AccessKeyId"], made["SecretAccessKey"]
        self._ask_for_keys("0")

    def _ask_for_keys(self, after: str) -> None:
        httpx.post(f"{self.url}/moto-api/reset-auth", content=after, timeout=60).raise_for_status()


class Gate:
    """A port that leads to another one, and can be closed:
    a server itself goes on serving connections that are open."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self._target = target
        self._sockets: list[socket.socket] = []

    def open(self) -> None:
        """Accept connections from now on."""
        listener = socket.create_server(("127.0.0.1", self.port))
        self._sockets = [listener]
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def close(self) -> None:
        """Cut all connections, and refuse new ones."""
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=_pump, args=ends, daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(2**16):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """One for all tests that ask for it; each uses a folder of its own in the bucket."""
    from moto.server import ThreadedMotoServer

    port = free_port()
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    store = ObjectStore(Gate(port))
    store.gate.open()
    store.prepare()
    yield store
    store.gate.close()
    forget_keys()
    server.stop()


def forget_keys() -> None:
    """Connections of this process keep the keys that they were made with;
    the next ones read the environment."""
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()
