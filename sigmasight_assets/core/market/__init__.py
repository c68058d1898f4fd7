"""Price sources behind one protocol, and the rules by which a price is refused or flagged."""
