"""The diagnostics. A new one is a file here, a line in the table, and a test: the page's controls, the command line and
the exports are made from the `Panel` that the file declares."""

from .base import Panel as Panel

# The table: one line a diagnostic, in the order in which they are shown everywhere.
# isort: off
from .logits import LOGITS as LOGITS
from .entropy import ENTROPY as ENTROPY
from .clusters import CLUSTERS as CLUSTERS
from .distances import DISTANCES as DISTANCES
from .attention import ATTENTION as ATTENTION
from .nll import NLL as NLL
# isort: on

PANELS: dict[str, Panel] = {panel.key: panel for panel in tuple(globals().values()) if isinstance(panel, Panel)}
"""Every diagnostic by its name, which is also its name on the command line."""
