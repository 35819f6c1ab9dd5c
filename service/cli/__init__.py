"""The `broadsheet` command: thin over operations. Results go to stdout, everything else to stderr."""
