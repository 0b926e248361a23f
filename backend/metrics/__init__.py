"""What GET /metrics tells Prometheus:
counted in this process, counted in Redis by the workers, and looked up at each scrape.

Every name is explained in docs/metrics.md.
"""

PREFIX = "tdal"
"""Task-dependent active learning."""
