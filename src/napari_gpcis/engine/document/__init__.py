"""The document that undo restores: clicks, committed objects, labels, their history; no torch."""
