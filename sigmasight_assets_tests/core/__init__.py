"""Tests of the rooms that run without Dagster and FastAPI."""
