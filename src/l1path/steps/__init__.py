"""The steps that lower the objective: over one class after the other, in a subspace, over all classes."""
