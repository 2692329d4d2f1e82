"""Visual inspection: a picture and three readings of a package, to pass it, to reject it or to ask a human, misses bounded."""
