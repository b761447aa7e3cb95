"""The contract with an exchange and the conversation with it, pure: no clock is read here, no socket touched."""
