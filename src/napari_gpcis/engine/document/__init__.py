"""What undo reaches: clicks, committed objects, labels and their history; no torch."""
