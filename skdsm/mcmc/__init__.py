"""Hybrid (Hamiltonian) Monte Carlo and the diagnostics of its chains."""
