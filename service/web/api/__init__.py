"""What programs ask for, in JSON."""
