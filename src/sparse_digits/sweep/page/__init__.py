"""The page of a sweep: one HTML file that needs no server and no network."""
