"""Figures from arrays: nothing here sees a model, a data set or a result file."""
