"""A demonstration on one machine, from nothing:
images, a Label Studio of its own, the service, and a first round."""
