"""The certified regularization path of L1-penalized multinomial logistic regression."""
