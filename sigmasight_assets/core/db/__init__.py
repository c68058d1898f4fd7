"""The database room: tables, connections, every SELECT and every write."""
