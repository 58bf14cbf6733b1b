"""Learned metrics from clip to figure, with tiny random networks of the libraries' own classes; their arithmetic."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from clips import RATE_HZ, write_clip
from filling import fill, numbers

from unison_core.errors import UnisonError
from unison_core.evaluation.engine import Settings, evaluate, set_scores
from unison_core.evaluation.feature import Model
from unison_core.evaluation.item import IMAGE, SFX, SOUND, SPEECH, VIDEO, VOICE, Item
from unison_core.evaluation.metrics import (
    audiobox,
    clap,
    desync,
    frechet,
    identity,
    kl,
    lse,
    pe_av,
    speaker,
    whisper,
)
from unison_core.evaluation.networks.pictures import pixels
from unison_core.evaluation.networks.sync_mel import mel_power
from unison_core.evaluation.registry import Metric, Unscored, metrics
from unison_core.evaluation.weights import WeightStore, load_state

ENGLISH = "the words that are said"


@pytest.fixture(scope="module")
def items(tmp_path_factory) -> list[Item]:
    """Two clips with stems, and references."""
    folder = tmp_path_factory.mktemp("clips")
    found = []
    for i in range(2):
        video = write_clip(folder, f"c{i}", seed=i, stems=True, seconds=1.2)
        files = {VIDEO: video} | {kind: video.with_name(f"c{i}.{kind}.wav") for kind in (SPEECH, SFX)}
        from PIL import Image

        Image.fromarray(np.full((40, 60, 3), 90 * i + 30, np.uint8)).save(folder / f"c{i}.png")
        other = write_clip(folder, f"r{i}", seed=i + 5, seconds=1.2)
        reference = Item(id=f"r{i}", files={IMAGE: folder / f"c{i}.png", SOUND: other, VOICE: other})
        found.append(Item(id=f"c{i}", files=files, caption=f"a drum {i}", transcript=ENGLISH, reference=reference))
    return found


@pytest.fixture
def score(tmp_path, items):
    """Scores the two clips by metrics whose networks lie in `tmp_path / weights`."""

    def run(*chosen: Metric):
        store = WeightStore(folder=tmp_path / "weights", offline=True)
        settings = Settings(out=tmp_path / "out", jobs=0, store=store, explicit=True)
        log = evaluate(items, chosen, settings)
        lines = [[log.find(item, metric) for item in items] for metric in chosen]
        assert [line.skipped for row in lines for line in row] == [None] * (2 * len(chosen))
        return lines, settings

    return run


def words_tokenizer(folder: Path, *special: str) -> dict[str, int]:
    """A tokenizer of a handful of words, saved where a model is; returns its vocabulary."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "<unk>", "a", "drum", "0", "1", *ENGLISH.split(), *special]
    ids = {word: i for i, word in enumerate(dict.fromkeys(words))}
    inner = Tokenizer(WordLevel(ids, unk_token="<unk>"))
    inner.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>")
    tokenizer.save_pretrained(folder)
    return ids


def test_aesthetic_scores_each_picture_and_takes_the_mean(tmp_path, score, items):
    from transformers import SiglipVisionConfig, SiglipVisionModel

    from unison_core.evaluation.metrics import aesthetic
    from unison_core.evaluation.networks.aesthetic_head import AestheticHead

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    encoder = SiglipVisionModel(SiglipVisionConfig(**sizes, image_size=384, patch_size=96))
    encoder.save_pretrained(tmp_path / "weights" / "siglip-so400m-patch14-384")
    head = AestheticHead(16)
    torch.save(head.state_dict(), tmp_path / "weights" / aesthetic.HEAD.id)
    ((first, other),), _ = score(aesthetic.METRIC)
    assert first.values["aesthetic"] != other.values["aesthetic"]
    from unison_core.evaluation.media import Media

    with torch.no_grad():
        pictures = pixels(Media(items[0]).frames(), 384, (0.5,) * 3, (0.5,) * 3)
        by_hand = head.eval()(encoder.eval()(pixel_values=pictures).pooler_output).mean()
    assert first.values["aesthetic"] == pytest.approx(float(by_hand), abs=1e-5)


def test_identity_between_pictures_and_to_the_reference(tmp_path, score):
    from transformers import Dinov2Config, Dinov2Model

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 224, "patch_size": 56}
    for name in ("dinov3-vitb16-pretrain-lvd1689m", "dinov2-base"):
        Dinov2Model(Dinov2Config(**sizes)).save_pretrained(tmp_path / "weights" / name)
    chosen = [metrics()[name] for name in ("identity", "identity_reference", "identity_dinov2")]
    lines, _ = score(*chosen)
    for row, metric in zip(lines, chosen, strict=True):
        assert all(-1 <= line.values[metric.figures[0].name] <= 1 for line in row)


def test_consistency_is_the_mean_of_the_cosines_to_before_and_to_the_first():
    angles = np.radians([0, 60, 90])
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    before, first = [0.5, np.cos(np.radians(30))], [0.5, 0.0]
    assert identity.consistency(embeddings) == pytest.approx(np.mean(before + first) / 1)
    with pytest.raises(Unscored):
        identity.consistency(embeddings[:1])


def test_audiobox_weighs_windows_by_their_length(items):
    from transformers import WavLMConfig

    from unison_core.evaluation.media import Media
    from unison_core.evaluation.networks.audiobox import AudioboxAesthetics, AudioboxConfig

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    small = WavLMConfig(**sizes, conv_dim=(8,) * 7, num_conv_pos_embedding_groups=2)
    network = AudioboxAesthetics(AudioboxConfig(nth_layer=3), small).eval()
    prepared = audiobox.prepare(Media(items[0]))
    assert prepared[0].shape == (1, 160000)
    assert prepared[1].tolist() == [round(1.2 * RATE_HZ)]
    with torch.no_grad():
        found = audiobox.infer(network, prepared)
    assert set(audiobox.ABOUT) < set(found)
    uneven = {axis: np.array([1.0, 4.0]) for axis in audiobox.ABOUT} | {"weights": np.array([1.0, 0.5])}
    assert audiobox.score(items[0], {"audiobox": uneven}).values["pq"] == pytest.approx(2.0)


def test_whisper_reads_and_its_words_are_counted(tmp_path, score):
    from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    torch.manual_seed(0)
    folder = tmp_path / "weights" / "whisper-large-v3"
    special = ["<eot>", "<sot>", "<en>", "<transcribe>", "<notimestamps>"]
    ids = words_tokenizer(folder, *special)  # what follows the last of them would be times
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            vocab_size=len(ids),
            num_mel_bins=80,
            pad_token_id=0,
            bos_token_id=ids["<eot>"],
            eos_token_id=ids["<eot>"],
            decoder_start_token_id=ids["<sot>"],
            max_target_positions=20,
            suppress_tokens=None,
            begin_suppress_tokens=None,
        )
    )
    model.generation_config = GenerationConfig(
        decoder_start_token_id=ids["<sot>"],
        eos_token_id=ids["<eot>"],
        pad_token_id=0,
        max_length=12,
        is_multilingual=True,
        lang_to_id={"<|en|>": ids["<en>"]},
        task_to_id={"transcribe": ids["<transcribe>"], "translate": ids["<transcribe>"]},
        no_timestamps_token_id=ids["<notimestamps>"],
        return_timestamps=False,
    )
    model.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    from unison_core.evaluation.metrics import whisper_mix

    (alone, _), _ = score(whisper.METRIC, whisper_mix.METRIC)  # the stems need no separator
    assert alone[0].weights["wer_whisper"] == len(ENGLISH.split())
    assert "heard" in alone[0].notes


def test_a_clip_without_stems_is_separated_first(items):
    from unison_core.evaluation import voice
    from unison_core.evaluation.media import Media
    from unison_core.separation.config import load_separator_preset

    class Half:
        config = load_separator_preset("vocals")

        def speech(self, windows):
            return windows / 2

    stem = voice.prepare(Media(items[0]))
    assert not stem.arrays["separated"]
    whole = Media(replace(items[0], files={SOUND: items[0].files[VIDEO]})).wave(SOUND)
    found = voice.infer(Half(), whole)
    assert found["separated"]
    assert np.abs(found["wave"] - whole.at(16000) / 2).max() < 1e-4


def test_clap_compares_sound_with_caption_and_frechet_and_kl_with_the_reference(tmp_path, score, items):
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

    torch.manual_seed(0)
    folder = tmp_path / "weights" / "clap-htsat-unfused"
    text = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 16, "max_position_embeddings": 40, "pad_token_id": 0, "projection_dim": 8}  # fmt: skip
    sound = {"patch_embeds_hidden_size": 8, "hidden_size": 64, "depths": [1] * 4, "num_attention_heads": [1] * 4,
             "projection_dim": 8, "window_size": 4}  # fmt: skip
    ClapModel(ClapConfig(text_config=text, audio_config=sound, projection_dim=8)).save_pretrained(folder)
    ClapFeatureExtractor(truncation="rand_trunc").save_pretrained(folder)
    words_tokenizer(folder)
    (lines, _), settings = score(clap.METRIC, frechet.METRIC)
    assert all(-1 <= line.values["clap"] <= 1 for line in lines)
    found = set_scores(items, frechet.METRIC, settings)["fd_clap"]
    assert (found.value, found.count) == (None, 2)
    assert "10 clips" in found.reason


def test_long_sounds_are_heard_in_pieces_that_end_with_them():
    class Fake:
        def __init__(self, seconds):
            self.samples = np.arange(round(seconds * 48000), dtype=np.float32)

        def wave(self, kind):
            return self

        def at(self, rate_hz):
            return self.samples

    for seconds, lengths in ((3, [3]), (10, [10]), (20, [10, 10]), (25, [10, 10, 10])):
        pieces = clap.windows(Fake(seconds))
        assert [len(piece) / 48000 for piece in pieces] == lengths
        assert pieces[-1][-1] == seconds * 48000 - 1


def test_kl_and_speaker_compare_with_the_reference(tmp_path, score, items):
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification, WavLMConfig, WavLMForXVector

    torch.manual_seed(0)
    folder = tmp_path / "weights" / "ast-finetuned-audioset-10-10-0.4593"
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    ASTForAudioClassification(ASTConfig(**sizes, num_labels=12)).save_pretrained(folder)
    ASTFeatureExtractor().save_pretrained(folder)
    voices = WavLMConfig(
        **sizes, conv_dim=(8,) * 7, num_conv_pos_embedding_groups=2, tdnn_dim=(8,) * 5, xvector_output_dim=8
    )
    WavLMForXVector(voices).save_pretrained(tmp_path / "weights" / "wavlm-base-plus-sv")
    (divergences, likeness), settings = score(kl.METRIC, speaker.METRIC)
    assert all(line.values["kl_ast"] >= 0 for line in divergences)
    assert all(-1 <= line.values["speaker"] <= 1 for line in likeness)
    assert 1 <= set_scores(items, kl.METRIC, settings)["is_ast"].value <= 2


def test_divergence_and_inception_score_have_closed_forms(items):
    half = np.log(np.array([0.5, 0.5]))
    sure = np.log(np.array([0.9, 0.1]))
    assert kl.divergence(half, sure) == pytest.approx(0.5 * np.log(0.5 / 0.9) + 0.5 * np.log(0.5 / 0.1))
    assert kl.divergence(half, half) == pytest.approx(0)
    one, other = ({"audioset classes": {"logits": np.array(x)}} for x in ([50.0, 0], [0, 50.0]))
    assert kl.over_set(items, [one, other])["is_ast"].value == pytest.approx(2)
    assert kl.over_set(items, [one, one])["is_ast"].value == pytest.approx(1)


def test_frechet_distance_of_gaussians_is_their_formula():
    from scipy.linalg import sqrtm

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(60, 5)), rng.normal(1, 2, size=(40, 5)) @ rng.normal(size=(5, 5))
    c, d = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(c + d - 2 * sqrtm(c @ d).real)
    assert frechet.frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert frechet.frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert np.isfinite(frechet.frechet_distance(rng.normal(size=(12, 64)), rng.normal(size=(12, 64))))


def test_pe_av_compares_sixteen_pictures_with_whole_hops_of_sound(items):
    from unison_core.evaluation.media import Media

    pictures, wave = pe_av.prepare(Media(items[0]))
    assert pictures.shape == (1, 16, 3, 336, 336)
    assert wave.shape[-1] % pe_av.HOP == 0
    assert 0 <= wave.shape[-1] - round(1.2 * 48000) < pe_av.HOP

    class Fake(torch.nn.Module):
        device = torch.device("cpu")

        def forward(self, input_values, pixel_values_videos):
            return SimpleNamespace(video_embeds=torch.tensor([[3.0, 4.0]]), audio_embeds=torch.tensor([[0.0, 2.0]]))

    found = pe_av.infer(Fake(), (pictures, wave))
    assert pe_av.score(items[0], {"pe-av": found}).values["pe_av"] == pytest.approx(0.8)


def test_pe_av_is_transformers_own(monkeypatch):
    """The library's class in a small size; its picture encoder, which needs timm, is replaced."""
    video = pytest.importorskip("transformers.models.pe_video.modeling_pe_video")
    from transformers import PeAudioVideoConfig, PeAudioVideoModel

    class Colours(torch.nn.Module):
        def __init__(self, config):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(3, config.num_labels))

        def forward(self, pictures):
            return SimpleNamespace(logits=pictures.mean(dim=(-1, -2)) @ self.weight)

    torch.manual_seed(0)
    stub = SimpleNamespace(from_config=Colours)
    monkeypatch.setattr(video, "AutoModelForImageClassification", stub)
    small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
             "num_key_value_heads": 2, "head_dim": 16}  # fmt: skip
    dac = {"encoder_hidden_size": 4, "downsampling_ratios": [2, 8, 10, 12], "hidden_size": 64, "codebook_dim": 8}
    vision = {"architecture": "vit_pe_core_large_patch14_336"}
    text = {"model_type": "modernbert", "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 2, "vocab_size": 8} | dict.fromkeys(
        ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 1
    )  # fmt: skip
    joint = {**small, "audio_config": {**small, "dac_config": dac}, "video_config": {**small, "vision_config": vision}}
    network = PeAudioVideoModel(PeAudioVideoConfig(text_config=text, audio_video_config=joint)).eval()
    with torch.no_grad():
        found = pe_av.infer(network, (torch.randn(1, 16, 3, 28, 28), torch.randn(1, 1, 20 * pe_av.HOP)))
    assert {name: np.linalg.norm(x) for name, x in found.items()} == {
        "picture": pytest.approx(1, abs=1e-5), "sound": pytest.approx(1, abs=1e-5),
    }  # fmt: skip


def test_lse_without_a_face_is_no_number(tmp_path, items):
    pytest.importorskip("cv2")
    from unison_core.evaluation.networks.s3fd import S3FD
    from unison_core.evaluation.networks.syncnet import SyncNet

    class Blind(S3FD):
        def forward(self, pictures):
            return torch.zeros(1, 1, 4), torch.zeros(1, 1)

    with pytest.raises(Unscored, match="shorter than a track"):
        lse.infer((SyncNet(), Blind()), (np.zeros((30, 64, 64, 3), np.uint8), np.zeros((120, 13))))
    with pytest.raises(Unscored, match="no face"):
        lse.infer((SyncNet(), Blind()), (np.zeros((60, 64, 64, 3), np.uint8), np.zeros((240, 13))))


def test_lse_of_a_face_that_is_there():
    pytest.importorskip("cv2")
    from unison_core.evaluation.networks.s3fd import S3FD
    from unison_core.evaluation.networks.syncnet import SyncNet

    class Sees(S3FD):
        def forward(self, pictures):
            return torch.tensor([[[0.25, 0.25, 0.75, 0.75]]]), torch.tensor([[0.99]])

    class Echo(SyncNet):
        def lips(self, faces):
            return faces[:, :1, 0, 100, 100]

        def sound(self, cepstra):
            return cepstra[:, 0, 0, :1]

    frames = np.zeros((60, 64, 64, 3), np.uint8)
    values = np.random.default_rng(0).integers(0, 200, size=60).astype(np.uint8)
    frames[:] = values[:, None, None, None]
    cepstra = np.repeat(values.astype(np.float64), 4)[:, None].repeat(13, axis=1)
    late = np.roll(cepstra, 4 * 3, axis=0)
    for sound, offset in ((cepstra, 0), (late, -3)):
        found = lse.infer((Echo(), Sees()), (frames, sound))
        assert found["offset"].tolist() == [offset]
        assert found["distance"][0] < 40
        assert found["confidence"][0] > 20


def test_desync_takes_the_first_and_last_fourteen_segments():
    pictures, wave = torch.arange(140.0)[:, None, None, None].expand(140, 3, 4, 4), torch.arange(140 * 640.0)
    seen, heard = desync.segments(pictures, wave)
    assert seen.shape == (16, 3, 16, 4, 4)
    assert heard.shape == (16, 10240)
    assert seen[3, 0, 0, 0, 0] == 24  # pictures of segment 3 begin when its sound does
    assert heard[3, 0] == 24 * 640
    with pytest.raises(Unscored, match=r"shorter than 4\.8 s"):
        desync.segments(pictures[:119], wave)
    desync.segments(pictures[:120], wave)

    class Fake(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.calls = []

        def vfeat_extractor(self, x):
            return x[:, 0, :8, 0, :1].transpose(1, 2)

        def afeat_extractor(self, x):
            return x[:, :6, :1]

        def compare(self, picture, sound):
            self.calls.append((picture.shape[1], float(picture[0, 0, 0, 0])))
            return torch.nn.functional.one_hot(torch.tensor([12 if len(self.calls) == 1 else 5]), 21)

    network = Fake()
    found = desync.infer(network, (seen, heard[:, None].expand(-1, 128, -1)[..., :66]))
    assert network.calls == [(14, 0.0), (14, 16.0)]
    assert desync.score(Item(id="x"), {"synchformer": found}).values["desync"] == pytest.approx((0.4 + 1.0) / 2)


def test_synchformers_mels_are_torchaudios():
    torchaudio = pytest.importorskip("torchaudio")
    waves = numbers("sync waves", (2, 10240), 0.1)
    theirs = torchaudio.transforms.MelSpectrogram(16000, n_fft=1024, win_length=400, hop_length=160, n_mels=128)(waves)
    assert torch.allclose(mel_power(waves), theirs, rtol=1e-3, atol=1e-4)
    assert desync.log_mels(waves).shape == (2, 128, 66)


def test_damaged_weights_are_a_reason_not_a_crash(tmp_path, items):
    from unison_core.evaluation.networks.aesthetic_head import AestheticHead

    (tmp_path / "bad.pth").write_bytes(b"not weights")
    with pytest.raises(UnisonError, match=r"weights bad\.pth cannot be loaded"):
        load_state(AestheticHead(), tmp_path / "bad.pth")
    torch.save(fill(AestheticHead(8)).state_dict(), tmp_path / "other.pth")
    with pytest.raises(UnisonError, match="cannot be loaded"):
        load_state(AestheticHead(16), tmp_path / "other.pth")

    def fail(paths, device):
        raise UnisonError("weights x are damaged")

    model = Model(name="x", weights=(desync.WEIGHTS,), load=fail)
    feature = replace(desync.METRIC.features[0], model=model, prepare=lambda media: media.item.id)
    broken = replace(desync.METRIC, features=(feature,))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / desync.WEIGHTS.id).touch()
    store = WeightStore(folder=tmp_path / "weights", offline=True)
    log = evaluate(items, [broken], Settings(out=tmp_path / "out", jobs=0, store=store))
    assert log.find(items[0], broken).skipped == "weights x are damaged"
