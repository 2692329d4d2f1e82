"""The linear assignment problem in NumPy alone: an edge box that fuses carries no SciPy, which is 110 MB."""

import numpy as np

from models.detector.observed import Floats, Ints


def assign(cost: Floats) -> tuple[Ints, Ints]:
    """Rows, ascending, and columns of the min(M, N) pairs of a finite `cost` (M, N) whose sum is least, as SciPy's
    `linear_sum_assignment` tells them.

    Shortest augmenting paths (Crouse 2016, doi:10.1109/TAES.2016.140952, after Jonker and Volgenant): O(M N min(M, N)), which for
    the dozen things of a picture is nothing. ValueError for a cost that is not finite.
    """
    if not np.isfinite(cost).all():
        raise ValueError("a cost is not finite: give pairs that must not be a large number")
    if cost.shape[0] > cost.shape[1]:
        columns, rows = assign(cost.T)
        order = np.argsort(rows)
        return rows[order], columns[order]
    height, width = cost.shape
    of_row, of_column = np.full(height, -1), np.full(width, -1)
    row_price, column_price = np.zeros(height), np.zeros(width)
    for begun in range(height):
        nearest, before = np.full(width, np.inf), np.full(width, -1)
        done, visited, row, least = np.zeros(width, dtype=bool), [], begun, 0.0
        while True:  # Dijkstra over columns by reduced costs, until a free one is reached
            visited.append(row)
            reduced = least + cost[row] - row_price[row] - column_price
            better = ~done & (reduced < nearest)
            nearest[better], before[better] = reduced[better], row
            column = int(np.where(done, np.inf, nearest).argmin())
            least = float(nearest[column])
            done[column] = True
            if of_column[column] < 0:
                break
            row = int(of_column[column])
        row_price[begun] += least
        others = np.array(visited[1:], dtype=np.int64)
        row_price[others] += least - nearest[of_row[others]]
        column_price[done] -= least - nearest[done]
        while True:  # turn the pairs of the path
            row = int(before[column])
            of_column[column] = row
            of_row[row], column = column, int(of_row[row])
            if row == begun:
                break
    return np.arange(height), of_row
