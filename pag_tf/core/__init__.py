"""What every part of the library stands on; it imports no other part of pag_tf."""
