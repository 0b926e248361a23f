"""Requests to Label Studio and to the servers of images: addresses, keys, time limits."""
