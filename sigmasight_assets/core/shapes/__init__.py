"""The shapes in which data crosses rooms: arrays with documented units, and nothing that acts."""
