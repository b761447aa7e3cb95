"""From what users write to the instruments of an exchange's own list."""
