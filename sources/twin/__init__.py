"""A seeded digital twin of a retailer: a world that acts day by day and shows its observed tables, dirt included.

The truth about it (parameters, expected demand, where the dirt is) travels apart. Start at `source.TwinSource` for
tables, at `world.World` for a world to act in, at `params.TwinParams` for its knobs, at `customers` for the people who
buy and the online shop that recommends to them.
"""
