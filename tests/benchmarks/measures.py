"""What a benchmark measures."""

import resource

import psutil


def peak_mb() -> float:
    """The most memory this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def processor_seconds(processes: list[psutil.Process]) -> float:
    """Of processes and those that they have started."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)
