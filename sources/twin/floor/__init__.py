"""The twin of an unmanned shop's floor: who walks where and takes what, and what door, ceiling, radio, shelves and exit show of it.

Start at `floor.Floor` for days of visits, at `params.FloorParams` for the knobs. `observed.Observed` and the clips of shelves are
what a shop sees; trajectories, attention, deeds and baskets lie in `truth.FloorTruth` and in no observed table.
"""
