"""A tracked, reproducible pipeline around L1-penalized multinomial logistic regression on MNIST."""
