"""Training of napari-gpcis models: data, simulated clicks, the loop, validation."""
