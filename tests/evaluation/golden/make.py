"""Writes the golden outputs of public code: it is run by hand, on check-outs of the repositories named below.

    python tests/evaluation/golden/make.py FOLDER      # holds syncnet_python, av-benchmark, audiobox-aesthetics, ...

Weights and inputs are made by `filling.py`, so nothing is downloaded. Needs python_speech_features, which the project
does not; timm and omegaconf, of which the public code uses one function each, are replaced here.
"""

import json
import sys
import types
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from filling import fill, numbers  # noqa: E402

REVISIONS = {
    "syncnet_python": "joonson/syncnet_python@{}",
    "av-benchmark": "hkchengrex/av-benchmark@{}",
    "audiobox-aesthetics": "facebookresearch/audiobox-aesthetics@{}",
    "aesthetic-predictor-v2-5": "discus0434/aesthetic-predictor-v2-5@{}",
}


def syncnet(folder: Path) -> dict:
    """SyncNet's embeddings, distances over shifts, cepstra, and S3FD's boxes."""
    sys.path.insert(0, str(folder))
    sys.modules["detectors"] = types.ModuleType("detectors")
    sys.modules["detectors"].__path__ = [str(folder / "detectors")]
    from python_speech_features import mfcc
    from SyncNetModel import S

    net = fill(S())
    wave = np.round(3000 * numbers("wave", (16000,)).numpy()).astype(np.int16)
    cepstra = mfcc(wave, 16000)
    sound = net.forward_aud(numbers("cepstra", (2, 1, 13, 20), 5.0))
    lips = net.forward_lip(numbers("faces", (1, 3, 5, 224, 224), 40.0) + 110)
    source = (folder / "SyncNetInstance.py").read_text()
    scope: dict = {"torch": torch}
    exec(source[source.index("def calc_pdist") : source.index("# ==================== MAIN DEF")], scope)
    a, b = numbers("lips", (40, 64)), numbers("sounds", (40, 64))
    b[3:] += 2 * a[:-3]
    distance = torch.stack(scope["calc_pdist"](a, b, vshift=15), 1).mean(1)
    least, place = distance.min(0)

    sys.modules["detectors.s3fd"] = types.ModuleType("detectors.s3fd")
    sys.modules["detectors.s3fd"].__path__ = [str(folder / "detectors" / "s3fd")]
    from detectors.s3fd import box_utils
    from detectors.s3fd.nets import S3FDNet

    detector = fill(S3FDNet(device="cpu"))
    detector.detect = types.SimpleNamespace(forward=lambda loc, conf, priors: (loc, conf, priors))
    loc, conf, priors = detector(numbers("picture", (1, 3, 96, 128), 40.0))
    boxes = box_utils.decode(loc[0], priors, [0.1, 0.2])
    some, scores = boxes[:300], conf[0, :300, 1]
    kept, count = box_utils.nms(some, scores, 0.3, 5000)
    return {
        "keys": shapes(net), "detector_keys": shapes(detector),
        "mfcc": some_of(torch.from_numpy(cepstra)), "mfcc_shape": list(cepstra.shape),
        "sound": some_of(sound), "lips": some_of(lips),
        "lse_d": float(least), "lse_c": float(distance.median() - least), "offset": int(15 - place),
        "boxes": some_of(boxes), "faces": some_of(conf[0, :, 1]), "priors": len(priors), "kept": kept[:count].tolist(),
    }  # fmt: skip


def synchformer(folder: Path) -> dict:
    """Logits of a small Synchformer, and the keys of the full one."""
    sys.path.insert(0, str(folder))
    import yaml

    def space(data):
        return types.SimpleNamespace(**{k: space(v) for k, v in data.items()}) if isinstance(data, dict) else data

    timm = types.ModuleType("timm")
    timm.layers = types.ModuleType("timm.layers")
    timm.layers.trunc_normal_ = torch.nn.init.trunc_normal_
    timm.layers.to_2tuple = lambda x: (x, x)
    omegaconf = types.ModuleType("omegaconf")
    omegaconf.OmegaConf = types.SimpleNamespace(load=lambda path: space(yaml.safe_load(Path(path).read_text())))
    sys.modules.update({"timm": timm, "timm.layers": timm.layers, "omegaconf": omegaconf})
    import transformers.pytorch_utils as pytorch_utils
    import transformers.utils as utils

    pytorch_utils.find_pruneable_heads_and_indices = pytorch_utils.prune_linear_layer = None
    for name in ("add_code_sample_docstrings", "add_start_docstrings", "add_start_docstrings_to_model_forward"):
        setattr(utils, name, lambda *a, **k: lambda x: x)
    from av_bench.synchformer.hf_src import modeling_ast
    from av_bench.synchformer.synchformer import Synchformer, make_class_grid

    modeling_ast.ASTPreTrainedModel.get_head_mask = lambda self, mask, count: [None] * count
    modeling_ast.ASTPreTrainedModel.post_init = lambda self: None
    full = Synchformer()
    keys = shapes(full)
    full.vfeat_extractor.blocks = full.vfeat_extractor.blocks[:1]
    full.afeat_extractor.ast.encoder.layer = full.afeat_extractor.ast.encoder.layer[:1]
    full.transformer.blocks = full.transformer.blocks[:1]
    fill(full)
    with torch.inference_mode():
        picture = full.extract_vfeats(numbers("segments", (1, 1, 16, 3, 224, 224), 0.5))
        sound = full.extract_afeats(numbers("mels", (1, 1, 1, 128, 66), 0.5))
        logits = full.compare_v_a(numbers("v", (1, 14, 8, 768)), numbers("a", (1, 14, 6, 768)))
    return {"keys": keys, "picture": some_of(picture), "sound": some_of(sound), "logits": logits[0].tolist(),
            "grid": make_class_grid(-2, 2, 21).tolist()}  # fmt: skip


def audiobox(folder: Path) -> dict:
    """Scores of a two-layer Audiobox, and the keys of the full one."""
    sys.path.insert(0, str(folder / "src"))
    from audiobox_aesthetics.infer import make_inference_batch
    from audiobox_aesthetics.model import aes

    options = {"proj_num_layer": 5, "proj_ln": True, "proj_dropout": 0.1, "nth_layer": 13}
    keys = shapes(aes.AesMultiOutput(**options))
    aes.DEFAULT_AUDIO_CFG.encoder_layers = 2
    model = fill(aes.AesMultiOutput(**options | {"nth_layer": 3}))
    waves = numbers("waves", (2, 1, 24000), 0.1)
    mask = torch.ones_like(waves, dtype=torch.bool)
    mask[1, :, 13000:] = False
    waves = waves * mask
    scores = model({"wav": waves, "mask": mask})
    cut = make_inference_batch([torch.zeros(1, 200000)], 10, 10, 16000)
    return {"keys": keys, "scores": {axis: value.tolist() for axis, value in scores.items()},
            "weights": cut[2], "lengths": [int(mask.sum()) for mask in cut[1]]}  # fmt: skip


def aesthetic(folder: Path) -> dict:
    """Scores of the aesthetic head."""
    source = (folder / "src" / "aesthetic_predictor_v2_5" / "siglip_v2_5.py").read_text()
    start, end = (source.index(f"class AestheticPredictorV2_5{name}") for name in ("Head", "Model"))
    scope = {"nn": torch.nn, "torch": torch, "SiglipVisionConfig": object}
    exec(source[start:end], scope)
    head = fill(scope["AestheticPredictorV2_5Head"](types.SimpleNamespace(hidden_size=1152)))
    embeddings = numbers("embeddings", (3, 1152))
    scores = head(embeddings / embeddings.norm(dim=-1, keepdim=True))
    return {"keys": shapes(head), "scores": scores[:, 0].tolist()}


def shapes(module: torch.nn.Module) -> dict:
    """Shapes by key; counters and unused heads aside."""
    return {name: list(value.shape) for name, value in module.state_dict().items() if "num_batches" not in name}


def some_of(x: torch.Tensor, count: int = 24) -> list:
    """Numbers spread over a tensor."""
    flat = x.detach().flatten()
    return flat[torch.linspace(0, len(flat) - 1, count).long()].double().tolist()


def main() -> None:
    """Write a file a repository."""
    folder = Path(sys.argv[1])
    torch.manual_seed(0)
    made = {"syncnet": syncnet, "synchformer": synchformer, "audiobox": audiobox, "aesthetic": aesthetic}
    for (name, make), repository in zip(made.items(), REVISIONS, strict=True):
        revision = (folder / repository / "REVISION").read_text().strip()
        with torch.no_grad():
            data = {"source": REVISIONS[repository].format(revision), **make(folder / repository)}
        (HERE / f"{name}.json").write_text(json.dumps(data) + "\n")
        print(name, len(json.dumps(data)))


if __name__ == "__main__":
    main()
