"""Labels, object tables and overlays, written whole or not at all."""
