"""Every SELECT, named by its question."""
