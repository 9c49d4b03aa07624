"""Convolution for inference on CPUs, with fewer multiplications than the direct form."""
