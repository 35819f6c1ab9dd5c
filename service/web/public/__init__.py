"""Pages for readers: plain, without script, saying nothing of the person."""
