"""Training rows wherever they are: in memory, in a file, in dask, on a device."""
