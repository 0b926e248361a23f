"""Requests to Label Studio whose answers are JSON of a known form."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from backend.errors import LabelStudioError, UnknownProjectError
from backend.labelstudio.http.transport import ATTEMPTS, TIMEOUT, Transport


class JsonClient:
    """One server seen with one user's key; safe to share between threads."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout: float = TIMEOUT,
        attempts: int = ATTEMPTS,
        public_url: str | None = None,
        image_hosts: Collection[str] | None = None,
    ) -> None:
        """`timeout` in seconds per request; `attempts` per request while the server is away or overloaded.
        Makes no request.

        `public_url` is the address of browsers: images under it are asked for at `url`, with the key.
        `image_hosts` are servers in private networks that may be asked for images beside public ones; None:
        all of them.
        """
        self._http = Transport(
            url, api_key, timeout=timeout, attempts=attempts, public_url=public_url, image_hosts=image_hosts
        )
        self.url = self._http.url

    def require_final(self) -> None:
        """Raise RedirectedError where LABEL_STUDIO_URL leads elsewhere, as http to https;
        asked without the key."""
        self._http.require_final()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _dict(self, method: str, path: str, **options: Any) -> Any:
        answer = self._http.json(method, path, **options)
        if not isinstance(answer, dict):
            raise LabelStudioError(
                f"{method} {self.url}{path} answered {str(answer)[:100]!r}, expected an object; check Label"
                " Studio's version."
            )
        return answer

    def _list(self, method: str, path: str, **options: Any) -> list[Any]:
        answer = self._http.json(method, path, **options)
        if isinstance(answer, dict) and isinstance(answer.get("results"), list):
            answer = answer["results"]
        if not isinstance(answer, list):
            raise LabelStudioError(
                f"{method} {self.url}{path} answered {str(answer)[:100]!r}, expected a list; check Label"
                " Studio's version."
            )
        return answer

    def _delete(self, path: str) -> bool:
        try:
            self._http.json("DELETE", path)
        except LabelStudioError as error:
            if error.status != 404:
                raise
            return False
        return True

    def _unknown(self, project_id: int) -> UnknownProjectError:
        return UnknownProjectError(
            f"Label Studio at {self.url} has no project {project_id} that the API key's user may see; "
            "the number is in the project's address, /projects/<number>/data.",
            status=404,
        )
