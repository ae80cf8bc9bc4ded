"""A figure as PNG, whatever names are written in it."""

import io
import warnings

from matplotlib.figure import Figure


def png(figure: Figure) -> bytes:
    """The same bytes for the same figure. A letter that no font here has is drawn as a box."""
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        figure.savefig(out, format="png", dpi=110, metadata={"Software": None})
    return out.getvalue()
