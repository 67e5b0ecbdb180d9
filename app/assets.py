"""Where the files lie that ship with the project and that the page reads or serves."""

from importlib.resources import files
from pathlib import Path

ROOT = Path(str(files(__package__))).parent
ASSETS = ROOT / "assets"
MODELS, SAMPLES, RESULTS, STYLES = (ASSETS / name for name in ("models", "samples", "results", "css"))
SHARED_PICTURE = ASSETS / "screenshots" / "share.png"
"""What a link to the page shows elsewhere."""
