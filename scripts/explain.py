"""Starts pag_tf/programs/explain.py, which is also installed as pag-explain."""

from pag_tf.programs.explain import run

if __name__ == "__main__":
    run()
