"""Pictures of the numbers in a run's records, and of a benchmark."""
