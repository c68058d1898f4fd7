"""Calculations: arrays in, arrays out. No database, network, clock or environment here."""
