"""A ranking round:
its start, its single-image networks, its finish, and what it leaves for the status page."""
