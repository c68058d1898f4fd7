"""Loopback servers that speak the languages of the market's sources, faults included."""
