"""The science: images, networks, similarity, selection, strategies, experiments.

Knows nothing of Label Studio, HTTP or Redis.
Start reading at `model.similarity.round` (what one ranking round computes) and
`model.strategies.task_dependent` (the method of Grüning et al. 2020, step by step).
"""
