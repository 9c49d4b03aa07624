"""Training losses: one a file, added up by `objective`."""
