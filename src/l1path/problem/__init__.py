"""The data as the solver sees them: the checks of the input, and a working copy, dense or sparse."""
