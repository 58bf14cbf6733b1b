"""The bundled caption encoder: pads are invisible, an empty caption has a mean."""

import torch

from unison_core.config import CaptionConfig
from unison_core.model.caption_encoder import CaptionEncoder

CONFIG = CaptionConfig(kind="bundled", length=6, vocab=30, dim=16, layers=2, heads=2)


def build() -> CaptionEncoder:
    torch.manual_seed(0)
    return CaptionEncoder(CONFIG)


@torch.no_grad()
def test_pads_are_zero_and_change_nothing() -> None:
    encoder = build()
    short, short_mean = encoder(torch.tensor([[4, 5, 6]]))
    long, long_mean = encoder(torch.tensor([[4, 5, 6, 0, 0, 0]]))
    assert torch.allclose(long[:, :3], short, atol=1e-6)
    assert (long[:, 3:] == 0).all()
    assert torch.allclose(long_mean, short_mean, atol=1e-6)
    assert torch.allclose(short_mean, short.mean(dim=1), atol=1e-6)


@torch.no_grad()
def test_an_empty_caption_is_one_learned_token() -> None:
    encoder = build()
    features, mean = encoder(torch.tensor([[0, 0, 0], [4, 5, 0]]))
    assert torch.equal(features[0, 0], mean[0])
    assert mean.isfinite().all()
    encoder.empty.add_(1.0 * torch.arange(16))
    changed, _ = encoder(torch.tensor([[0, 0, 0], [4, 5, 0]]))
    assert not torch.allclose(changed[0], features[0])
    assert torch.equal(changed[1], features[1])


@torch.no_grad()
def test_the_order_of_words_matters() -> None:
    encoder = build()
    for layer in encoder.layers:
        torch.nn.init.normal_(layer.out.weight)
    _, one = encoder(torch.tensor([[4, 5, 6, 7]]))
    _, other = encoder(torch.tensor([[7, 6, 5, 4]]))
    assert not torch.allclose(one, other, atol=1e-4)
