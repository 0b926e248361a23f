"""What is told of jobs."""

from rq.job import JobStatus

from backend.queue import follow, project_jobs


def test_every_state_of_a_job_is_known() -> None:
    """One that is not would be told as a failure, and a second job be made beside it."""
    ended = {JobStatus.FAILED, JobStatus.FINISHED, JobStatus.CANCELED, JobStatus.STOPPED}
    assert set(project_jobs.ALIVE) == set(JobStatus) - ended
    assert set(follow.STATES) | set(project_jobs.WAITING) == set(JobStatus) - {JobStatus.FAILED}
