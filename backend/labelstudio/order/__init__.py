"""The order that Label Studio serves tasks in, written as predictions."""
