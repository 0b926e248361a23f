"""The whole service with a real Label Studio."""
