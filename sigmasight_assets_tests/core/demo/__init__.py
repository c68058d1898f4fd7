"""The demo accounts."""
