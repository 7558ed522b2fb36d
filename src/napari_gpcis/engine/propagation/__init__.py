"""An object followed from the slices where it was clicked into those around."""
