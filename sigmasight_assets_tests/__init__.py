"""Tests: they mirror the source, and every formula has an oracle that shares no code with it."""
