"""A tracked, reproducible pipeline around L1-penalised multinomial logistic regression on MNIST."""
