"""The longer commands of `sparse-digits`, a module each."""
