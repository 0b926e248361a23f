"""How gunicorn serves the app:
`gunicorn --config python:backend.web.gunicorn_config "backend.app:create_app()"`.

Two processes: one that everybody reaches, and one that it asks for predictions (backend/web/predictor.py).
"""

from __future__ import annotations

import shutil
import tempfile
from typing import Any

from backend.settings import get_settings

_settings = get_settings()
_private = tempfile.mkdtemp(prefix="backend-web-")  # for this user alone

bind = [_settings.bind, f"unix:{_private}/predictor"]
worker_class = "backend.web.gunicorn_worker.Worker"
workers = 2
threads = 24  # at most 16 of them predict, see backend/web/protocol.py
preload_app = False  # torch's threads do not survive a fork
timeout = 120  # of a worker that does not answer its master; requests are not bounded by it
graceful_timeout = 3  # for requests that are being answered
control_socket_disable = True  # --no-control-socket
accesslog = None
errorlog = "-"
logger_class = "backend.web.gunicorn_worker.Logger"
loglevel = _settings.log_level.lower()
proc_name = "backend-web"


def pre_fork(server: Any, worker: Any) -> None:
    """Give a new process the part that no other has; called by gunicorn's master."""
    predicting = sum(each.predicts for each in server.WORKERS.values())
    worker.predicts = 2 * predicting < len(server.WORKERS)


def on_exit(server: Any) -> None:
    """Clean up behind the master; the processes have ended by then."""
    del server
    shutil.rmtree(_private, ignore_errors=True)
