# The peer of `read`: pandas reads the file and every value is summed, as often as is asked for. The first pass does not
# count, of the others the median does.
import statistics
import sys
import time

import pandas

passes = []
for _ in range(int(sys.argv[2])):
    start = time.perf_counter()
    table = pandas.read_pickle(sys.argv[1])
    total = sum(float(table[name].sum()) for name in table.columns)
    passes.append(time.perf_counter() - start)
    del table
print(statistics.median(passes[1:]), total)
