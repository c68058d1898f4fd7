"""A night's work without an orchestrator: read, calculate, write, session by session."""
