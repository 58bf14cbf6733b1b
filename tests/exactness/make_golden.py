"""Write the golden outputs from the public reference code; run once, by hand.

    python tests/exactness/make_golden.py REFERENCES

REFERENCES holds checkouts of Wan-Video/Wan2.2 (`Wan`), hkchengrex/MMAudio (`MMAudio`), NVIDIA/BigVGAN (`BigVGAN`),
k2-fsa/ZipVoice (`ZipVoice`) and the package open_clip (`oc`). Each reference class is built small, given seeded
weights under its own names, and run in float32; names, shapes and outputs are kept.
"""

import importlib
import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, patch

import torch
from safetensors.torch import save_file
from seeded import numbers, seeded_state
from torch import Tensor, nn

HERE = Path(__file__).parent
Result = tuple[nn.Module, dict[str, Tensor]]


def fill(module: nn.Module) -> nn.Module:
    """Give a module its seeded weights."""
    state = module.state_dict()
    module.load_state_dict({**state, **seeded_state({k: tuple(t.shape) for k, t in state.items()})})
    return module.eval()


def package(name: str, path: Path) -> None:
    """Make submodules importable without running the package's own imports."""
    module = types.ModuleType(name)
    module.__path__ = [str(path)]
    sys.modules[name] = module


def wan_transformer(root: Path) -> Result:
    package("wan", root / "Wan/wan")
    package("wan.modules", root / "Wan/wan/modules")
    code = importlib.import_module("wan.modules.model")

    def attend(q: Tensor, k: Tensor, v: Tensor, **_: Any) -> Tensor:
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        return nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2)

    code.flash_attention = attend
    model = fill(code.WanModel(model_type="ti2v", in_dim=6, out_dim=6, dim=96, ffn_dim=160, freq_dim=32, text_dim=20,
                               num_heads=4, num_layers=2, text_len=7, eps=1e-6))  # fmt: skip
    per_token = torch.tensor([0.0, 700.0, 700.0]).repeat_interleave(6)[None]
    inputs = {"latents": numbers(1, 6, 3, 4, 6), "text": numbers(2, 5, 20)}
    one = model([inputs["latents"]], torch.tensor([400.0]), [inputs["text"]], seq_len=18)[0]
    frames = model([inputs["latents"]], per_token, [inputs["text"]], seq_len=18)[0]
    return model, {"one timestep": one, "clean first frame": frames}


def wan_vae(root: Path) -> Result:
    code = importlib.import_module("wan.modules.vae2_2")
    vae = fill(code.WanVAE_(dim=8, dec_dim=8, z_dim=6, dim_mult=[1, 2, 2, 2], num_res_blocks=1,
                            temperal_downsample=[False, True, True]))  # fmt: skip
    mean = vae.encode(numbers(3, 1, 3, 5, 32, 32).tanh(), [0.0, 1.0])
    return vae, {"mean": mean, "pixels": vae.decode(numbers(4, 1, 6, 2, 2, 2), [0.0, 1.0])[..., ::4, ::4]}


def umt5(root: Path) -> Result:
    with patch("torch.cuda.current_device", return_value=0):
        code = importlib.import_module("wan.modules.t5")
    encoder = fill(code.T5Encoder(vocab=40, dim=32, dim_attn=32, dim_ffn=48, num_heads=4, num_layers=2, num_buckets=32,
                                  shared_pos=False))  # fmt: skip
    ids = torch.tensor([[5, 9, 31, 2, 1, 0, 0, 0], [7, 1, 0, 0, 0, 0, 0, 0]])
    return encoder, {"hidden": encoder(ids, (ids > 0).long())}


def clip_text(root: Path) -> Result:
    sys.path.insert(0, str(root / "oc"))
    sys.modules.setdefault("open_clip", types.ModuleType("open_clip")).__path__ = [str(root / "oc/open_clip")]
    for name in ("timm", "torchvision", "torchvision.ops", "torchvision.ops.misc"):
        sys.modules.setdefault(name, MagicMock())
    code = importlib.import_module("open_clip.transformer")
    tower = fill(code.TextTransformer(context_length=9, vocab_size=40, width=32, heads=4, layers=2, mlp_ratio=2.0,
                                      output_dim=16, act_layer=code.QuickGELU))  # fmt: skip
    ids = torch.tensor([[38, 5, 9, 31, 39, 0, 0, 0, 0], [38, 39, 0, 0, 0, 0, 0, 0, 0]])
    x = tower.token_embedding(ids) + tower.positional_embedding
    x = tower.ln_final(tower.transformer(x, attn_mask=tower.attn_mask))
    return tower, {"features": nn.functional.normalize(x, dim=-1)}


def mmaudio(root: Path) -> Result:
    sys.path.insert(0, str(root / "MMAudio"))
    code = importlib.import_module("mmaudio.model.networks")
    net = fill(code.MMAudio(latent_dim=8, clip_dim=12, sync_dim=10, text_dim=16, hidden_dim=64, depth=4, fused_depth=2,
                            num_heads=4, latent_seq_len=52, clip_seq_len=6, sync_seq_len=16, text_seq_len=5,
                            v2=True))  # fmt: skip
    conditions = net.get_empty_clip_sequence(2), net.get_empty_sync_sequence(2), numbers(5, 2, 5, 16)
    return net, {"flow": net(numbers(6, 2, 52, 8), *conditions, torch.tensor([0.25, 0.75]))}


def mel_vae(root: Path) -> Result:
    for name in ("librosa", "librosa.filters", "librosa.util", "omegaconf"):
        sys.modules.setdefault(name, MagicMock())
    code = importlib.import_module("mmaudio.ext.autoencoder.vae")
    vae = fill(code.VAE(data_dim=128, embed_dim=6, hidden_dim=16)).remove_weight_norm()
    mean = vae.encode(numbers(7, 1, 128, 12) * 2 - 5).mean
    return vae, {"mean": mean, "mel": vae.decode(numbers(8, 1, 6, 6))}


def vocoder(root: Path) -> Result:
    sys.path.insert(0, str(root / "BigVGAN"))
    for name in ("matplotlib", "matplotlib.pylab", "meldataset"):
        sys.modules.setdefault(name, MagicMock())
    code, env = importlib.import_module("bigvgan"), importlib.import_module("env")
    settings = {
        "resblock": "1", "upsample_rates": [4, 2], "upsample_kernel_sizes": [8, 4], "upsample_initial_channel": 16,
        "resblock_kernel_sizes": [3, 7], "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5]], "use_tanh_at_final": False,
        "use_bias_at_final": False, "activation": "snakebeta", "snake_logscale": True, "num_mels": 10,
    }  # fmt: skip
    generator = fill(code.BigVGAN(env.AttrDict(settings)))
    return generator, {"wave": generator(numbers(9, 1, 10, 12))}


def zipvoice(root: Path) -> Result:
    sys.path.insert(0, str(root / "ZipVoice"))
    for name in ("torch.utils.tensorboard", "lhotse"):
        sys.modules.setdefault(name, MagicMock())
    code = importlib.import_module("zipvoice.models.zipvoice")
    small = {"fm_decoder_num_layers": [1] * 5, "fm_decoder_feedforward_dim": 16, "fm_decoder_num_heads": 2,
             "fm_decoder_dim": 16}  # fmt: skip
    model = fill(code.ZipVoice(**small, text_encoder_num_layers=2, text_encoder_feedforward_dim=32,
                               text_encoder_cnn_module_kernel=9, text_encoder_num_heads=4, text_encoder_dim=24,
                               time_embed_dim=24, text_embed_dim=24, pos_dim=48, feat_dim=10,
                               vocab_size=30))  # fmt: skip
    tokens = [[3, 4, 5, 6, 7, 8, 9], [10, 11, 12]]
    embed, lengths = model.forward_text_embed(tokens)
    condition, _ = model.forward_text_condition(embed, lengths, torch.tensor([20, 20]))
    only = nn.ModuleDict({"embed": model.embed, "text_encoder": model.text_encoder})
    return only, {"condition": condition}


MAKERS: dict[str, Callable[[Path], Result]] = {
    "wan_transformer": wan_transformer, "wan_vae": wan_vae, "umt5": umt5, "clip_text": clip_text, "mmaudio": mmaudio,
    "mel_vae": mel_vae, "vocoder": vocoder, "zipvoice": zipvoice,
}  # fmt: skip


@torch.no_grad()
def main() -> None:
    """Run every reference and write `golden.safetensors` and `names.json`."""
    root = Path(sys.argv[1]).resolve()
    outputs, names = {}, {}
    for name, make in MAKERS.items():
        model, result = make(root)
        state = model.state_dict()
        names[name] = {key: list(tensor.shape) for key, tensor in state.items()}
        outputs |= {f"{name}/{key}": tensor.contiguous() for key, tensor in result.items()}
        constants = {k: t for k, t in state.items() if k.endswith(("filter", "data_mean", "data_std"))}
        outputs |= {f"{name}/constant/{k.rpartition('.')[2]}": t.contiguous() for k, t in constants.items()}
        print(name, len(state), {key: (tuple(t.shape), round(float(t.std()), 4)) for key, t in result.items()})
    save_file({key: tensor.clone() for key, tensor in outputs.items()}, HERE / "golden.safetensors")
    (HERE / "names.json").write_text(json.dumps(names, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
