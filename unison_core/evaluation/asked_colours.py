"""Which colours a caption names, of a scene's clothes, background and hair."""

from unison_core.corpus.captions import base
from unison_core.corpus.scene import Scene


def asked_colours(scene: Scene) -> dict[str, str]:
    """Colours by part of the look, of those parts whose colour the caption names."""
    look, caption = scene.look, scene.caption.lower()
    lists = base().lists
    asked = {"clothes": look.clothes}
    walls = [f"{shade} {place}" for shade in lists.get(f"shade_{look.background}", (look.background,))
             for place in ("wall", "background", "backdrop", "room")]  # fmt: skip
    if any(wall in caption for wall in walls):
        asked["background"] = look.background
    tints = [f"{tint} {thing}" for tint in lists[f"tint_{look.hair}"] for thing in ("hair", "curl", "bun")]
    if look.hair_style != "bald" and any(tint in caption for tint in tints):
        asked["hair"] = look.hair
    return asked
