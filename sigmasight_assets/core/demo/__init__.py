"""The five demo portfolios, for the demo profile alone."""
