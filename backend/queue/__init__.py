"""What is to be done and by whom:
work that is due, jobs, their progress, and the signs of life of those who do them; in Redis."""
