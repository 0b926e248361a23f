"""One project as web pages, commands and jobs see it."""
