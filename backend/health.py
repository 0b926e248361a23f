"""`python -m backend.health`, as compose files of an earlier release call it: see backend/run/health.py."""

import sys

from backend.run.health import main

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
