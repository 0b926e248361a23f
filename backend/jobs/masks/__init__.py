"""The masks of a model on tasks, as Label Studio shows them."""
