"""The `sigmasight` command as a person runs it: processes, ports, signals, homes."""
