"""Settings of the tests' Label Studio: those of the add-on, passwords that are checked at once, and a
database that stays open between the requests of a connection.

Its own way takes a quarter of a second of processor time for each password, on purpose, and a fifth of each
request for opening SQLite anew.
"""

from recompute_queries.sqlite import *  # noqa: F403
from recompute_queries.sqlite import DATABASES

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DATABASES["default"]["CONN_MAX_AGE"] = None
