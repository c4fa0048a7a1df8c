"""The text of the gallery's pictures, as large as the pages' own."""

import matplotlib


def enlarge(gallery_conf, file):
    """Set the size of text before an example runs; sphinx-gallery calls this."""
    matplotlib.rcParams["font.size"] = 12
