"""References, draws and fits that several test files use."""
