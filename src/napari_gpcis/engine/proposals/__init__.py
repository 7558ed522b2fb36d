"""Objects like those that were committed, found without further clicks."""
