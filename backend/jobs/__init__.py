"""The work behind the web server:
trainings, ranking rounds, and comparisons with Label Studio, as rq jobs on Redis."""
