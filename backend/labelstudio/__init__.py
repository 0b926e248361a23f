"""Everything that speaks Label Studio:
its configurations, regions and tasks, its API, and the order it serves tasks in."""
