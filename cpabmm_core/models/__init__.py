"""The animation model: its networks, the aggregate that holds them and the builder."""
