"""The command ``skdsm``: from a CSV to a ranking of its rows."""
