"""The energy-based model and the Parzen density: formulas on arrays."""
