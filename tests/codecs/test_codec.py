from pathlib import Path

import pytest
import torch

from unison_core.codecs.codec import AUDIO_VAE, Codec, LatentStats, load_part, save_part
from unison_core.config import load_preset
from unison_core.errors import UnisonError
from unison_core.weights.save import write_preset


@pytest.fixture(scope="module")
def codec() -> Codec:
    torch.manual_seed(0)
    codec = Codec(load_preset("nano"), batch=2)
    codec.audio_stats.mean, codec.audio_stats.std = torch.full((32,), 0.3), torch.full((32,), 2.0)
    return codec


def test_shapes(codec: Codec) -> None:
    frames = torch.randint(0, 256, (1, 5, 128, 128, 3), dtype=torch.uint8)
    latents = codec.encode_video(frames)
    assert latents.shape == (1, 16, 2, 16, 16)
    assert codec.decode_video(latents).shape == frames.shape
    assert codec.encode_audio(torch.zeros(3, 5 * 512 + 1)).shape == (3, 6, 32)
    assert codec.decode_audio(torch.zeros(3, 6, 32)).shape == (3, 6 * 512)


def test_splitting_a_batch_changes_nothing(codec: Codec) -> None:
    waves = torch.randn(5, 4 * 512, generator=torch.Generator().manual_seed(1)) * 0.1
    together = codec.encode_audio(waves)
    alone = torch.cat([codec.encode_audio(wave[None]) for wave in waves])
    assert torch.allclose(together, alone, atol=1e-5)


def test_silence_is_what_zeros_encode_to(codec: Codec) -> None:
    assert torch.equal(codec.silence(7), codec.encode_audio(torch.zeros(1, 7 * 512)))
    assert codec.silence(7).shape == (1, 7, 32)


def test_statistics_are_undone_by_decoding(codec: Codec) -> None:
    wave = torch.randn(1, 4096, generator=torch.Generator().manual_seed(2)) * 0.1
    mean = codec.audio_vae.encode(codec.mel(wave)).mean
    assert torch.allclose(codec.decode_mel(codec.encode_audio(wave)), codec.audio_vae.decode(mean), atol=1e-4)


def test_a_saved_codec_decodes_as_before(codec: Codec, tmp_path: Path) -> None:
    codec.save(tmp_path, torch.float32)
    write_preset(tmp_path, codec.preset)
    again = Codec.from_folder(tmp_path)
    latents = codec.encode_audio(torch.randn(1, 4096, generator=torch.Generator().manual_seed(3)) * 0.1)
    assert torch.allclose(again.decode_mel(latents), codec.decode_mel(latents), atol=1e-3)
    assert torch.equal(again.audio_stats.std, codec.audio_stats.std)
    assert sum(file.stat().st_size for file in tmp_path.glob("*.safetensors")) < 25e6  # 12.5 MB in bf16


def test_who_only_encodes_sound_needs_the_audio_vae_alone(codec: Codec, tmp_path: Path) -> None:
    save_part(codec.audio_vae, tmp_path, AUDIO_VAE, codec.audio_stats, torch.float32)
    write_preset(tmp_path, codec.preset)
    hearing = Codec.from_folder(tmp_path, parts=(AUDIO_VAE,))
    wave = torch.randn(1, 4096, generator=torch.Generator().manual_seed(3)) * 0.1
    assert torch.allclose(hearing.encode_audio(wave), codec.encode_audio(wave), atol=1e-3)
    with pytest.raises(UnisonError, match="video_vae"):
        Codec.from_folder(tmp_path)


def test_a_file_without_statistics_is_refused(codec: Codec, tmp_path: Path) -> None:
    save_part(codec.audio_vae, tmp_path, "audio_vae", None)
    with pytest.raises(UnisonError, match="latents_mean"):
        load_part(codec.audio_vae, tmp_path, "audio_vae", LatentStats(32))


def test_a_file_of_another_codec_is_refused(codec: Codec, tmp_path: Path) -> None:
    save_part(codec.audio_vae, tmp_path, "vocoder", None)
    with pytest.raises(UnisonError, match="does not fit"):
        load_part(codec.vocoder, tmp_path, "vocoder")
