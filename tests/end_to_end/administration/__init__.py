"""What an administrator does with the whole service: versions, several projects and machines, checks."""
