"""The experiment of the paper: strategies compared with random choice on a fully labelled pool."""
