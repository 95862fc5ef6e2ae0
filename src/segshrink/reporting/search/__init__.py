"""The report of a search: it reads `search.json` of a folder, and nothing else."""
