"""Images and masks as labs have them, read from files into arrays."""
