"""Starts pag_tf/programs/evaluate.py, which is also installed as pag-evaluate."""

from pag_tf.programs.evaluate import run

if __name__ == "__main__":
    run()
