"""Partition functions and samples: exact, by annealing, by tempering."""
