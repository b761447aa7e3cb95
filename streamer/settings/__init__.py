"""One frozen tree of settings, read once: flag > environment > file > default."""
