"""Every write, each a whole transaction that can be done twice."""
