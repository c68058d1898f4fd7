"""The `sigmasight` command: bring everything up, run or re-run sessions, reach the database."""
