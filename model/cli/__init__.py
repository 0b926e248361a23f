"""The command line of the method without Label Studio."""
