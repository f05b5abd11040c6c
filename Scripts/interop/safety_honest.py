"""Honest files."""
KINDS = {}
