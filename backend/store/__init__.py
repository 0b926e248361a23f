"""What is kept:
models, rounds and what was on show, as files of this machine or of a place that several share."""
