"""Who the customers are: segments that a marketer can read, and whose purchases their friends follow."""
