"""What the runs of an experiment tell: curves, comparisons with random choice, and the report of them."""
