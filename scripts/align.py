"""Starts pag_tf/programs/align.py, which is also installed as pag-align."""

from pag_tf.programs.align import run

if __name__ == "__main__":
    run()
