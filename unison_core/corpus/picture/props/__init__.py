"""The prop of each action."""

from unison_core.corpus.picture.props.base import Prop
from unison_core.corpus.picture.props.handheld import Bell, Camera, Clap, Horn, Maraca
from unison_core.corpus.picture.props.struck import Cymbal, Drum, Glass, Hammer, Knock
from unison_core.corpus.picture.props.tabletop import Ball, Keyboard, Scissors, Stamp

PROPS: dict[str, type[Prop]] = {
    "knock": Knock, "drum": Drum, "clap": Clap, "bell": Bell, "hammer": Hammer, "ball": Ball, "keyboard": Keyboard,
    "glass": Glass, "cymbal": Cymbal, "maraca": Maraca, "scissors": Scissors, "horn": Horn, "camera": Camera,
    "stamp": Stamp,
}  # fmt: skip
