"""How demand answers to price, of every series, with its uncertainty; fitted on what was observed."""
