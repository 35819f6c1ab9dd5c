"""The outside, one system a file."""
