"""The assets, one file per layer stage, named as the tables they fill."""
