"""Denoising score matching: corruption, objectives, stages of L-BFGS."""
