"""Tests through a real Dagster instance."""
