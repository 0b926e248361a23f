"""A few lines of script in Label Studio's page, which show the sentence that the action answers:
by itself it shows errors only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

APPLICATION = b'id="app-settings"'
"""Only the page that holds the Data Manager has it."""
END = b"</body>"


class OutcomeScript:
    """Middleware that adds the script to the page; any other answer passes as it is."""

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self._get_response = get_response
        self._script = (Path(__file__).parent / "outcome.js").read_text()

    def __call__(self, request: Any) -> Any:
        """Answer a request."""
        response = self._get_response(request)
        if (
            response.streaming
            or not response.get("Content-Type", "").startswith("text/html")
            or APPLICATION not in response.content
        ):
            return response
        before, end, after = response.content.rpartition(END)
        if end:
            # The nonce lets it run under Label Studio's content security policy.
            tag = f'<script nonce="{getattr(request, "csp_nonce", "")}">\n{self._script}</script>\n'
            response.content = before + tag.encode() + end + after
        return response
