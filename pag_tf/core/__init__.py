"""Foundations of the library; imports no other part of pag_tf."""
