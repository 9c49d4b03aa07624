"""Files on disk: checks, atomic output, digests, locks, downloads and safe reading of tensors."""
