"""Pretrained networks for losses and metrics; they are never trained."""
