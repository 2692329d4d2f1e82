"""A seeded digital twin of a retailer: a world that acts day by day, its observed tables (dirt included) and, apart from them, its truth."""
