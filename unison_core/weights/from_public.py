"""`unison train init`: public weights -> a model folder that `generate` and `train` load.

Wan2.2 -> video branch, video VAE, umT5      MMAudio -> audio branch, mel VAE, latent statistics
BigVGAN -> vocoder      CLIP -> caption features of the audio branch      ZipVoice -> transcript encoder, its tokens
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from unison_core.codecs.codec import AUDIO_VAE, MEAN, STD, VIDEO_VAE, VOCODER, Codec
from unison_core.config import Preset
from unison_core.errors import UnisonError, UsageError
from unison_core.text.caption_features import AUDIO_FOLDER, VIDEO_FOLDER
from unison_core.text.phonemes import TOKENS_FILE
from unison_core.weights import from_mmaudio, from_wan, from_zipvoice
from unison_core.weights.caption_configs import clip_config, umt5_config, write_config
from unison_core.weights.checksums import verify_downloads, write_checksums
from unison_core.weights.initialise import Accounting, codec_tensors, joint_tensors
from unison_core.weights.lazy import LazyTensors
from unison_core.weights.licences import OWN, UNKNOWN, Part, known_licence, licence_of, write_sources
from unison_core.weights.resolve import missing_downloads, resolve_public
from unison_core.weights.save import header, write_preset
from unison_core.weights.scratch_captions import write_scratch_captions
from unison_core.weights.tensors import write_tensors

SCRATCH = "scratch"
PARTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "video": ("Wan-AI/Wan2.2-TI2V-5B-Diffusers", from_wan.DOWNLOADS),
    "audio": ("hkchengrex/MMAudio", from_mmaudio.DOWNLOADS),
    "audio-vae": ("hkchengrex/MMAudio", from_mmaudio.DOWNLOADS),
    "vocoder": ("nvidia/bigvgan_v2_44khz_128band_512x", from_mmaudio.VOCODER_DOWNLOADS),
    "clip": ("apple/DFN5B-CLIP-ViT-H-14-384", from_mmaudio.CLIP_DOWNLOADS),
    "transcript": ("k2-fsa/ZipVoice", from_zipvoice.DOWNLOADS),
}
"""Where each part comes from unless told otherwise, and what is downloaded of it."""
SCRATCHABLE = ("video", "audio", "transcript", "video-vae", "audio-vae", "vocoder", "captions")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "spiece.model", "vocab.json",
                   "merges.txt")  # fmt: skip
Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the parts come from.

    Attributes:
        names: Hub id `owner/name[@revision]` or folder by part; parts left out come from `PARTS`.
        scratch: parts of `SCRATCHABLE` that start from random weights.
        offline: never use the network.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    scratch: frozenset[str] = frozenset()
    offline: bool = False

    def __post_init__(self) -> None:
        for part in self.scratch:
            if part not in SCRATCHABLE:
                raise UsageError(f"from scratch {part!r} is none of {', '.join(SCRATCHABLE)}")
        for part in self.names:
            if part not in PARTS:
                raise UsageError(f"source of {part!r} is none of {', '.join(PARTS)}")


@dataclass(frozen=True)
class _Found:
    """A source whose files are here."""

    name: str
    path: Path
    revision: str | None
    published: str

    def part(self, part: str, account: Accounting) -> Part:
        licence = licence_of(self.name, self.path, self.published)
        return _part(part, self.name, self.revision, licence, account)


def make_folder(
    out: Path, preset: Preset, sources: Sources, *, seed: int = 0, dtype: torch.dtype = torch.bfloat16,
    tell: Tell = lambda text: None,
) -> list[Part]:  # fmt: skip
    """Write the model folder and return what became of every tensor.

    Args:
        out: the folder; `unison.yaml` appears in it last, so that an interrupted run leaves no model.
        preset: sizes; the public weights must fit.
        sources: where the parts come from.
        seed: of new tensors.
        dtype: of the joint model; codecs keep the precision that they are published in.
        tell: is told what is being done.

    Raises:
        UsageError: a source does not exist, or the folder is in use.
        UnisonError: weights do not fit the preset, or cannot be read.
    """
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"output folder {out} is not empty: choose another --out")
    found = {part: _locate(part, sources, tell) for part in PARTS if _needed(part, sources)}
    out.mkdir(parents=True, exist_ok=True)
    parts = _joint(out, preset, found, sources, seed, dtype, tell)
    parts += _codecs(out, preset, found, sources, seed, tell)
    parts += _captions(out, preset, found, sources, seed, dtype, tell)
    if "transcript" in found:
        path = from_wan.find(found["transcript"].path, from_zipvoice.TOKEN_FILES, "ZipVoice's table of tokens")[0]
        table, vocabulary = from_zipvoice.read_tokens(path), preset.model.transcript.vocab
        if max(table.values()) >= vocabulary:
            raise UnisonError(f"{path} has {max(table.values()) + 1} tokens, preset {preset.name} has {vocabulary}")
        shutil.copyfile(path, out / TOKENS_FILE)
    write_sources(out, parts)
    tell("hashing")
    write_checksums(out)
    write_preset(out, preset)
    return parts


def published(*, offline: bool = False) -> tuple[list[Part], dict[str, int] | None]:
    """What a folder of public weights would be made of, and the bytes by file that are yet to be downloaded.

    Args:
        offline: never use the network; None takes the place of downloads.

    Raises:
        UnisonError: the Hub cannot be asked.
    """
    parts = [Part(part=part, source=name, revision=None, licence=known_licence(name) or UNKNOWN, loaded=0)
             for part, (name, _) in PARTS.items()]  # fmt: skip
    if offline:
        return parts, None
    sizes = {f"{name}/{file}": size for name, patterns in dict(PARTS.values()).items()
             for file, size in missing_downloads(name, None, patterns).items()}  # fmt: skip
    return parts, sizes


def _needed(part: str, sources: Sources) -> bool:
    """Whether a part's source has anything to give."""
    if part == "video":
        return not {"video", "video-vae", "captions"} <= sources.scratch
    return {"clip": "captions"}.get(part, part) not in sources.scratch


def _locate(part: str, sources: Sources, tell: Tell) -> _Found:
    default, patterns = PARTS[part]
    if part == "video":
        patterns = from_wan.downloads(sources.scratch)
    name = sources.names.get(part) or (sources.names.get("audio") if part == "audio-vae" else None) or default
    tell(f"{part}: {name}")
    path, revision = resolve_public(name, patterns, offline=sources.offline)
    if revision:
        tell(f"{part}: comparing hashes")
        verify_downloads(path, patterns)
    return _Found(name.partition("@")[0], path, revision, default)


def _joint(
    out: Path, preset: Preset, found: Mapping[str, _Found], sources: Sources, seed: int, dtype: torch.dtype, tell: Tell
) -> list[Part]:
    public: dict[str, LazyTensors] = {}
    if "video" not in sources.scratch:
        public["video"] = from_wan.transformer(found["video"].path)
    if "audio" in found:
        public["audio"] = from_mmaudio.transformer(found["audio"].path)[0]
    if "transcript" in found:
        public["transcript"] = from_zipvoice.text_encoder(found["transcript"].path)
    tensors, accounts = joint_tensors(preset, public, seed=seed, dtype=dtype)
    tell(f"writing the joint model, {sum(t.nbytes for t in tensors.values()) / 1e9:.1f} GB")
    write_tensors(out, tensors, metadata=header(preset))
    parts = [_part("joint", SCRATCH, None, OWN, accounts["joint"])]
    for branch in ("video", "audio", "transcript"):
        account = accounts[branch]
        if branch == "audio" and branch in public:  # statistics of its latents, which are written beside the mel VAE
            account = replace(account, loaded=(*account.loaded, *from_mmaudio.STATISTICS))
        parts.append(found[branch].part(branch, account) if branch in public else _scratch(branch, account))
    return parts


def _codecs(
    out: Path, preset: Preset, found: Mapping[str, _Found], sources: Sources, seed: int, tell: Tell
) -> list[Part]:
    """Video VAE, mel VAE and vocoder, each with its statistics."""
    scratch = sources.scratch & {VIDEO_VAE.replace("_", "-"), AUDIO_VAE.replace("_", "-"), VOCODER}
    with torch.random.fork_rng(devices=[]), torch.device("cpu" if scratch else "meta"):
        torch.manual_seed(seed)
        codec = Codec(preset)
    channels = preset.codecs.audio.latent_channels
    audio_mean, audio_std = torch.zeros(channels), torch.ones(channels)
    if "audio" in found:
        _, audio_mean, audio_std = from_mmaudio.transformer(found["audio"].path)
    video_mean, video_std = torch.zeros(preset.codecs.video.z_dim), torch.ones(preset.codecs.video.z_dim)
    public: dict[str, tuple[str, LazyTensors]] = {}
    if "video-vae" not in sources.scratch:
        tensors, mean, std = from_wan.video_vae(found["video"].path)
        video_mean, video_std = torch.tensor(mean), torch.tensor(std)
        public[VIDEO_VAE] = ("video", tensors)
    if "audio-vae" in found:
        public[AUDIO_VAE] = ("audio-vae", from_mmaudio.audio_vae(found["audio-vae"].path))
    if "vocoder" in found:
        public[VOCODER] = ("vocoder", from_mmaudio.vocoder(found["vocoder"].path))
    statistics = {
        VIDEO_VAE: {MEAN: video_mean, STD: video_std}, AUDIO_VAE: {MEAN: audio_mean, STD: audio_std}, VOCODER: {},
    }  # fmt: skip
    _check_statistics(VIDEO_VAE, statistics[VIDEO_VAE], preset.codecs.video.z_dim)
    _check_statistics(AUDIO_VAE, statistics[AUDIO_VAE], channels)
    parts = []
    for stem, extra in statistics.items():
        tell(f"writing {stem}")
        source, weights = public.get(stem, ("", None))
        written, account = codec_tensors(getattr(codec, stem).state_dict(), weights, extra, stem)
        write_tensors(out, written, stem)
        name = stem.replace("_", "-")
        parts.append(found[source].part(name, account) if source else _scratch(name, account))
    return parts


def _check_statistics(stem: str, found: Mapping[str, torch.Tensor], channels: int) -> None:
    for name, values in found.items():
        if values.shape != (channels,):
            raise UnisonError(f"{stem}: its public {name} has {values.numel()} channels, its preset's {channels}")


def _captions(
    out: Path, preset: Preset, found: Mapping[str, _Found], sources: Sources, seed: int, dtype: torch.dtype, tell: Tell
) -> list[Part]:
    """umT5 and CLIP's text tower with their tokenizers, as transformers reads them."""
    if preset.model.caption.kind != "external":
        return []
    tell("writing the caption encoders")
    if "captions" in sources.scratch:
        drawn = write_scratch_captions(out, preset.model, seed, dtype)
        return [_scratch("captions", Accounting(loaded=(), new=tuple(drawn), unused=()))]
    parts = []
    wan, clip = found["video"].path, found["clip"].path
    for name, target, (tensors, unused), config, tokenizer in (
        ("video", VIDEO_FOLDER, from_wan.umt5(wan), umt5_config, from_wan.tokenizer_folder(wan)),
        ("clip", AUDIO_FOLDER, from_mmaudio.clip_text(clip), clip_config, clip),
    ):
        write_tensors(out / target, {key: tensor.cast(dtype) for key, tensor in tensors.items()})
        write_config(out / target, config(tensors, found[name].path))
        for file in TOKENIZER_FILES:
            if (tokenizer / file).is_file():
                shutil.copyfile(tokenizer / file, out / target / file)
        account = Accounting(loaded=tuple(tensors), new=(), unused=unused)
        parts.append(found[name].part({"video": "umT5", "clip": "CLIP text"}[name], account))
    return parts


def _part(part: str, source: str, revision: str | None, licence: str, account: Accounting) -> Part:
    return Part(
        part=part, source=source, revision=revision, licence=licence, loaded=len(account.loaded), new=account.new,
        unused=account.unused,
    )  # fmt: skip


def _scratch(part: str, account: Accounting) -> Part:
    return _part(part, SCRATCH, None, OWN, account)
