"""The HTTP service over the materialized tables."""
