"""A run: from a recipe and its data to small files that were measured."""
