"""The live page of a shop, and the door by which its boxes tell what they see."""
