"""Whether external encoders read a caption to its end: an error where the picture loses words, a warning for sound."""

from unison_core.pipelines.checks import Check
from unison_core.pipelines.request import ClipSpec
from unison_core.weights.resolve import ModelFolder


def check_captions(source: ModelFolder, spec: ClipSpec) -> None:
    """Raise UsageError for a caption that is longer than the video branch reads; needs no weights."""
    if not _external(source):
        return
    from unison_core.text.caption_features import check_length

    captions = {"caption": spec.caption, "negative caption": spec.negative}
    check_length(source.path, captions, source.preset.model.caption.length)


def heard(source: ModelFolder, spec: ClipSpec) -> tuple[Check, ...]:
    """A warning where the audio branch reads only the beginning of the caption."""
    if not _external(source):
        return ()
    from unison_core.text.caption_features import unheard_tokens

    lost = unheard_tokens(source.path, spec.caption)
    return (
        Check(
            name="caption_heard", value=float(lost), passed=lost == 0,
            message=f"sound follows the beginning of the caption: CLIP does not read its last {lost} tokens"
            if lost else "sound follows the whole caption",
        ),
    )  # fmt: skip


def _external(source: ModelFolder) -> bool:
    return source.preset.model.caption.kind == "external" and (source.path / "caption_video").is_dir()
