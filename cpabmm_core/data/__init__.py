"""Training data: readers, augmentation and the procedural puppets."""
