"""The web server: Label Studio's protocol and the projects' own addresses.
It never trains and never waits."""

from __future__ import annotations

import logging

from flask import Flask

from backend.logs import configure_logging
from backend.metrics.collector import ServiceCollector, create_registry
from backend.project.connection import InstanceName
from backend.queue.backlog import Backlog
from backend.queue.connection import connect
from backend.settings import Settings, get_settings
from backend.web import payload
from backend.web.answers import register_errors
from backend.web.auth import require_login
from backend.web.cross_site import refuse_cross_site
from backend.web.hosts import refuse_unknown_hosts
from backend.web.metrics import metrics
from backend.web.pages.views import pages
from backend.web.projects import projects
from backend.web.protocol import protocol
from backend.web.requests import watch_requests
from backend.web.sub_path import SubPath
from model.strategies import strategy_names

log = logging.getLogger(__name__)

REDIS_SECONDS = 0.25
"""Redis answers in less than a millisecond;
Label Studio waits one second in all, inside the annotator's click."""


def create_app(settings: Settings | None = None) -> Flask:
    """The application that gunicorn serves (`backend.app:create_app()`)."""
    settings = settings or get_settings()
    configure_logging(settings)
    strategy_names()  # imports the strategies now: the first /setup has 3 s
    app = Flask("backend", static_folder=None)
    app.config["SETTINGS"] = settings
    app.config["MAX_CONTENT_LENGTH"] = int(settings.max_body_mb * 2**20)
    app.config["REDIS"] = connect(settings.redis_address, timeout=REDIS_SECONDS, attempts=1)
    app.config["INSTANCE"] = InstanceName(app.config["REDIS"])
    app.config["BACKLOG"] = Backlog(app.config["REDIS"])
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config["METRICS"] = create_registry(
        ServiceCollector(app.config["REDIS"], app.config["BACKLOG"], settings.model_dir)
    )
    app.url_map.converters["int"] = payload.Number
    app.wsgi_app = SubPath(app.wsgi_app, settings.public_url)  # type: ignore[method-assign]
    watch_requests(app)
    register_errors(app)
    refuse_unknown_hosts(app, settings)
    require_login(app, settings.basic_auth)
    refuse_cross_site(app)
    app.register_blueprint(protocol)
    app.register_blueprint(projects)
    app.register_blueprint(pages)
    app.register_blueprint(metrics)
    if settings.basic_auth is None:
        log.warning(
            "BASIC_AUTH_USER and BASIC_AUTH_PASS are not set: whoever reaches %s can use this service",
            settings.own_url,
        )
    return app
