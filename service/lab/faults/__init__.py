"""The fault suite: a whole installation run and hurt in every way that one is hurt, and what came of it compared, reader by
reader, with what the sandbox accepted. No product code knows of it: its programs put the points where a process may die into
the product from outside."""
