"""Words of clips that come without, by a recogniser in the layout of the Hub."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from unison_core.errors import UsageError
from unison_core.preparation.transcriber import load_transcriber


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wav2vec 2.0 of random weights that has little else to say than "ab"."""
    from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    folder = tmp_path_factory.mktemp("recogniser")
    (folder / "vocab.json").write_text(json.dumps({"<pad>": 0, "<unk>": 1, "|": 2, "a": 3, "b": 4}))
    Wav2Vec2CTCTokenizer(
        str(folder / "vocab.json"), bos_token=None, eos_token=None, unk_token="<unk>", pad_token="<pad>"
    ).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(sampling_rate=16000).save_pretrained(folder)
    torch.manual_seed(0)
    model = Wav2Vec2ForCTC(Wav2Vec2Config(
        vocab_size=5, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        conv_dim=(8, 8), conv_stride=(20, 16), conv_kernel=(20, 16), num_feat_extract_layers=2,
        num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, feat_extract_norm="group", pad_token_id=0,
    ))  # fmt: skip
    with torch.no_grad():
        model.lm_head.bias[3] += 50
    model.save_pretrained(folder)
    return folder


def test_a_recogniser_reads_at_any_rate_and_leaves_silence(recogniser: Path) -> None:
    read = load_transcriber(str(recogniser), torch.device("cpu"), offline=True)
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 12000).astype(np.float32)
    assert read(noise, 16000) == read(noise, 8000) == "a"
    assert read(np.zeros(100, np.float32), 16000) == ""


def test_what_is_no_recogniser_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="cannot be loaded"):
        load_transcriber(str(tmp_path), torch.device("cpu"), offline=True)
    with pytest.raises(UsageError, match="no folder and no Hub id"):
        load_transcriber("nosuch", torch.device("cpu"), offline=True)
