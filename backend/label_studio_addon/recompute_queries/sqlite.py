"""The same settings for a Label Studio on SQLite:
who wants to write waits for others, up to a minute, instead of failing with "database is locked", and no two
annotators get the same task."""

from wsgiref.simple_server import WSGIRequestHandler

from recompute_queries.settings import *  # noqa: F403
from recompute_queries.settings import DATABASES, MIDDLEWARE

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        **DATABASES["default"].get("OPTIONS", {}),
        "timeout": 60,
        "transaction_mode": "IMMEDIATE",
    }
    MIDDLEWARE = [*MIDDLEWARE, "recompute_queries.turns.InTurn"]

# Django's own web server sends head and body of an answer apart.
# The body waited 40 ms for the system's word that the head had come.
WSGIRequestHandler.disable_nagle_algorithm = True
