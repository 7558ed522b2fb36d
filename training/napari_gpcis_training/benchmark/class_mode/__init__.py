"""Class mode’s benchmark."""
