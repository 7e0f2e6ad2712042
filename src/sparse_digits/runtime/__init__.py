"""The stage harness and what every stage needs: files, signals, progress."""
