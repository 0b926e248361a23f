"""Requests to Label Studio, by the SDK wherever it makes them (`own_requests` lists the others), and to the
servers of images: addresses, keys, retries, time limits, errors."""
