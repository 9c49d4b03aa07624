"""Cutting clips of a subject out of raw videos."""
