"""Pure rules: no clock, no I/O, nothing but the standard library, email_validator and idna."""
