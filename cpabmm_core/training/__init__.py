"""Training of the animation model with Accelerate."""
