"""Image sets: a folder with pictures and its tables, where they come from and where they go."""
