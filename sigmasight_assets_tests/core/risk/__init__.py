"""Oracles for every formula."""
