"""Everything that runs without Dagster and without FastAPI."""
