"""Pretrained networks that only judge; none of them is ever trained."""
