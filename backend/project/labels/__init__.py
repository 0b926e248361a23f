"""What annotators have labelled: read, kept, and looked through for what seems wrong."""
