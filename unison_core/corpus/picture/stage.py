"""The whole picture of one scene, layer by layer from back to front."""

from collections.abc import Callable

import skia

from unison_core.corpus.motion import idle
from unison_core.corpus.mouth import mouth_shape
from unison_core.corpus.picture import ambience, room
from unison_core.corpus.picture.arms import Grip, draw_hand, draw_sleeve, pose
from unison_core.corpus.picture.body import Body, shoulder_half
from unison_core.corpus.picture.head import Head
from unison_core.corpus.picture.layout import TABLE_Y, layout
from unison_core.corpus.picture.pen import UNITS, moved
from unison_core.corpus.picture.props import PROPS
from unison_core.corpus.picture.props.base import MAIN, OTHER, Reach
from unison_core.corpus.scene import Scene


class Stage:
    """Draws any frame of a scene; what stands still is prepared here, once.

    Args:
        scene: what to draw.
        size: pixels along each side, at which still layers are rasterised.
    """

    def __init__(self, scene: Scene, size: int) -> None:
        self.scene, self.size = scene, size
        self.layout = layout(scene)
        self.idle = idle(scene)
        self.head = Head(scene, self.layout, self.idle, mouth_shape(scene))
        self.body = Body(scene, self.layout, self.idle)
        self.prop = None if scene.action is None else PROPS[scene.action](scene)
        self.view = ambience.VIEWS[scene.ambience](scene)
        self.wall = self._raster(self._draw_wall)
        self.opening = self._raster(lambda canvas: room.draw_opening(canvas, scene, self.layout), opaque=False)
        self.table = self._raster(lambda canvas: room.draw_table(canvas, scene, self.layout))

    def draw(self, canvas: skia.Canvas, frame: int) -> None:
        """Draw `frame` on a canvas of `size` pixels a side."""
        canvas.drawImage(self.wall, 0, 0)
        if self.scene.ambience is not None:
            time = frame / self.scene.fps
            self._in_units(canvas, lambda: self._in_pane(canvas, lambda: self.view.moving(canvas, time)))
            self._blit(canvas, self.opening, room.opening_box(self.layout))
        self._in_units(canvas, lambda: self._person(canvas, frame))
        self._blit(canvas, self.table, (0.0, TABLE_Y, UNITS, UNITS))
        self._in_units(canvas, lambda: self._action(canvas, frame))

    def _raster(self, draw: Callable[[skia.Canvas], None], opaque: bool = True) -> skia.Image:
        """A still layer; opaque ones are copied without blending."""
        kind = skia.kOpaque_AlphaType if opaque else skia.kPremul_AlphaType
        surface = skia.Surface.MakeRaster(skia.ImageInfo.MakeN32(self.size, self.size, kind))
        canvas = surface.getCanvas()
        canvas.clear(skia.ColorBLACK if opaque else 0)
        self._in_units(canvas, lambda: draw(canvas))
        return surface.makeImageSnapshot()

    def _blit(self, canvas: skia.Canvas, layer: skia.Image, box: tuple[float, float, float, float]) -> None:
        """Copy the part of a layer that lies within `box` (left, top, right, bottom in units)."""
        left, top, right, bottom = (round(edge * self.size / UNITS) for edge in box)
        part = skia.Rect.MakeLTRB(max(left, 0), max(top, 0), min(right, self.size), min(bottom, self.size))
        canvas.drawImageRect(layer, part, part)

    def _in_units(self, canvas: skia.Canvas, draw: Callable[[], None]) -> None:
        scale = self.size / UNITS
        with moved(canvas, sx=scale, sy=scale):
            draw()

    def _in_pane(self, canvas: skia.Canvas, draw: Callable[[], None]) -> None:
        left, top, right, bottom = self.layout.pane
        canvas.save()
        canvas.clipRect(skia.Rect.MakeLTRB(left, top, right, bottom))
        with moved(canvas, left, top, 0.0, (right - left) / ambience.WIDTH, (bottom - top) / ambience.HEIGHT):
            draw()
        canvas.restore()

    def _draw_wall(self, canvas: skia.Canvas) -> None:
        room.draw_wall(canvas, self.scene, self.layout)
        self._in_pane(canvas, lambda: self.view.still(canvas))
        if self.scene.ambience is None:  # nothing moves behind the frame
            room.draw_opening(canvas, self.scene, self.layout)

    def _person(self, canvas: skia.Canvas, frame: int) -> None:
        self.head.draw_back(canvas, frame)
        self.body.draw(canvas, frame)
        self.head.draw(canvas, frame)

    def _action(self, canvas: skia.Canvas, frame: int) -> None:
        """Prop, arms and hands, and the sign of contact."""
        lay, prop = self.layout, self.prop
        skin, cloth = lay.palette.skin, lay.palette.clothes
        reaches = {} if prop is None else prop.hands(frame)
        with self._on_table(canvas):
            if prop is not None:
                prop.under(canvas, frame)
        limbs = []
        for hand, side in ((OTHER, -lay.side), (MAIN, lay.side)):
            grip = self._grip(reaches[hand]) if hand in reaches else self._resting(side, frame)
            limb = pose(self._shoulder(side, frame), grip, lay.scale, side)
            limbs.append((grip, limb, side))
            draw_sleeve(canvas, limb, lay.scale, cloth, skin)
        with self._on_table(canvas):
            if prop is not None:
                prop.held(canvas, frame)
        for grip, limb, side in limbs:
            draw_hand(canvas, grip, limb, lay.scale, side, skin)
        with self._on_table(canvas):
            if prop is not None:
                prop.accents(canvas, frame)

    def _on_table(self, canvas: skia.Canvas):
        lay = self.layout
        return moved(canvas, lay.prop_x, lay.prop_y, 0.0, lay.side * lay.prop_scale, lay.prop_scale)

    def _shoulder(self, side: int, frame: int) -> tuple[float, float]:
        lay, scale = self.layout, self.layout.scale
        out = shoulder_half(self.scene.look.woman) - 3.5
        return (
            lay.neck_x + side * out * scale + 0.25 * float(self.idle.sway_x[frame]),
            lay.neck_y + 11 * scale + 0.6 * float(self.idle.breath[frame]),
        )

    def _grip(self, reach: Reach) -> Grip:
        """Prop coordinates to picture units, mirrored for a left hand."""
        lay = self.layout
        degrees = reach.degrees
        if degrees is not None and lay.side < 0:
            degrees = 180.0 - degrees
        x, y = lay.prop_x + lay.side * lay.prop_scale * reach.x, lay.prop_y + lay.prop_scale * reach.y
        return Grip(x=x, y=y, shape=reach.shape, degrees=degrees)

    def _resting(self, side: int, frame: int) -> Grip:
        """A free hand: on the table, or lifted a little while speaking."""
        lay = self.layout
        lift = float(self.idle.gesture[frame])
        far = 29.0 if self.prop is not None else 17.0
        return Grip(
            x=lay.neck_x + side * (far + 2.0 * lift) * lay.scale,
            y=TABLE_Y + 9.0 - 8.0 * lift,
            shape="flat",
            degrees=90.0 + side * (52.0 - 40.0 * lift),
        )
