"""The masks of a project as files: the annotators' labels, and the model's masks for all other images."""
