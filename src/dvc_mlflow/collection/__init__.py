"""Results as DVC has them, in the workspace and in commits, with the command that brings what is missing."""
