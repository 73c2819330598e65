"""One file per attack; the file's name is the name that the attack is registered under."""
