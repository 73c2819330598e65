"""Starts pag_tf/programs/train.py, which is also installed as pag-train."""

from pag_tf.programs.train import run

if __name__ == "__main__":
    run()
