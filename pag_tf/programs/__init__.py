"""The commands that are installed with the package: `pag-train`, `pag-evaluate` and others.

Each turns its flags into one dataclass and calls the library once. A clone has a file of the same
name in scripts/ for each, which starts it without installing anything.
"""
