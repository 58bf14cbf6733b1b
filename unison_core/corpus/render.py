"""Scene -> picture: `render(scene)` draws every frame with skia, the same frames for the same scene."""

import numpy as np

from unison_core.corpus.scene import Scene
from unison_core.errors import UnisonError


def render(scene: Scene, size: int = 128) -> np.ndarray:
    """Frames of a scene, uint8 RGB `(F, size, size, 3)`.

    Raises:
        UnisonError: skia, which only the corpus needs, is not installed.
    """
    try:
        import skia

        from unison_core.corpus.picture.stage import Stage
    except ImportError as error:
        raise UnisonError(f"drawing the corpus needs skia ({error}): pip install 'unison-av[corpus]'") from error
    stage = Stage(scene, size)
    pixels = np.zeros((size, size, 4), dtype=np.uint8)
    # BGRA is what skia's fast blitters write
    canvas = skia.Surface(pixels, colorType=skia.kBGRA_8888_ColorType).getCanvas()
    frames = np.empty((scene.frames, size, size, 3), dtype=np.uint8)
    for frame in range(scene.frames):
        stage.draw(canvas, frame)
        for channel in range(3):  # three strided copies are faster than one reversed
            frames[frame, ..., channel] = pixels[..., 2 - channel]
    return frames
