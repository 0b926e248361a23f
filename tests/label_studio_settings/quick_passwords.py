"""Settings of the tests' Label Studio: those of the add-on, and passwords that are checked at once.
Its own way takes a quarter of a second of processor time for each, on purpose."""

from recompute_queries.sqlite import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
