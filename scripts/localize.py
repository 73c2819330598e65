"""Starts pag_tf/programs/localize.py, which is also installed as pag-localize."""

from pag_tf.programs.localize import run

if __name__ == "__main__":
    run()
