"""Where the data sets come from: catalogue, sources, file formats."""
