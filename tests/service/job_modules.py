"""Whoever imports this has loaded what jobs need, as a worker has before its first one."""

from backend.run.worker import load_what_jobs_need

load_what_jobs_need()
