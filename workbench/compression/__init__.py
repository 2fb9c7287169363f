"""From a model and a recipe to the compressed model."""
