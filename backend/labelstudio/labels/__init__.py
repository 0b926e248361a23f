"""Labelling configurations, and the regions of annotations as masks and back."""
