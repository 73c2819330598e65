"""Starts pag_tf/programs/report.py, which is also installed as pag-report."""

from pag_tf.programs.report import run

if __name__ == "__main__":
    run()
