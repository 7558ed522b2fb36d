"""Images on disk, read one region of a slice at a time."""
