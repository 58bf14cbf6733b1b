"""The view of each ambience; None is the calm one."""

from unison_core.corpus.picture.ambience.lively import Birds, Engine, Fire
from unison_core.corpus.picture.ambience.view import HEIGHT, WIDTH, View
from unison_core.corpus.picture.ambience.weather import Rain, Waves, Wind

__all__ = ["HEIGHT", "VIEWS", "WIDTH", "View"]

VIEWS: dict[str | None, type[View]] = {
    None: View, "rain": Rain, "waves": Waves, "wind": Wind, "engine": Engine, "fire": Fire, "birds": Birds,
}  # fmt: skip
