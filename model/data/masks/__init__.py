"""Masks: their files, what the numbers in them mean, and the class ids that they become."""
