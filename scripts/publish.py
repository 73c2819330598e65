"""Starts pag_tf/programs/publish.py, which is also installed as pag-publish."""

from pag_tf.programs.publish import run

if __name__ == "__main__":
    run()
