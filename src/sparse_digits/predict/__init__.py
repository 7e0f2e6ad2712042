"""From image files to labels and probabilities, by a model of the pipeline."""
