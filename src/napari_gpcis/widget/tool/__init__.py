"""The tool: what clicks, keys and options do; it shows no widget of its own."""
