"""The path as a scikit-learn classifier, the selection of its C, and a figure of its weights."""
