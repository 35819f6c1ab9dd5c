"""Bytes of any kind, at every place where a stranger's bytes are read."""
