"""Data sets to train on, cut out of raw videos."""
