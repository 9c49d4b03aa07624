"""Sets of points on disk: files of numbers, pairs of points, and fitted transformations."""
