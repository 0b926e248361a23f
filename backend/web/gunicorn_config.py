"""How gunicorn serves the app:
`gunicorn --config python:backend.web.gunicorn_config "backend.app:create_app()"`.

One process holds the networks and all projects; its threads answer /health while another thread predicts.
"""

from __future__ import annotations

from backend.settings import get_settings

_settings = get_settings()

bind = _settings.bind
worker_class = "backend.web.gunicorn_worker.Worker"
workers = 1
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
