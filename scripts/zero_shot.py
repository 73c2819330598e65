"""Starts pag_tf/programs/zero_shot.py, which is also installed as pag-zero-shot."""

from pag_tf.programs.zero_shot import run

if __name__ == "__main__":
    run()
