"""Parts of bench_ranking.py: protocols, detectors, cache, measurement, tables, plot."""
