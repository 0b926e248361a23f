"""Label Studio with "Recompute queries" in the Data Manager's "Actions" menu.

This package runs inside Label Studio's own Python environment:
it needs nothing but Label Studio, and imports nothing of this project.
"""
