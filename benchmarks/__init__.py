"""One script per performance goal: seconds, memory, and the ratio to a loop in the same run."""
