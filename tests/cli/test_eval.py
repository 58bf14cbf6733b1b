"""`unison eval`: from the command line to files on disk, exit codes, and a second run that goes on."""

import json
import shutil
import sys
from pathlib import Path

import forked
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "evaluation"))
from clips import write_clip


@pytest.fixture
def clips(tmp_path):
    folder = tmp_path / "clips"
    for i in range(2):
        write_clip(folder, f"c{i}", seed=i, stems=i == 0, seconds=1.6)
    return folder


def test_any_videos_are_scored_and_a_second_run_scores_nothing_again(unison, clips, tmp_path):
    run = ("eval", clips, "--out", tmp_path / "out", "--jobs", 0, "--metrics", "technical,loudness,av_lag")
    first = unison(*run)
    assert first.exit_code == 0, first.output
    assert first.stdout.strip() == str(tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["figures"]["length_gap"]["n_scored"] == 2
    assert "av_beats_shuffled" in summary["set_figures"]
    assert (tmp_path / "out" / "index.html").stat().st_size > 1000
    lines = (tmp_path / "out" / "scores.jsonl").read_bytes()
    again = unison(*run, "--json")
    assert again.exit_code == 0
    assert (tmp_path / "out" / "scores.jsonl").read_bytes() == lines
    assert json.loads(again.stdout)["figures"]["lufs"]["mean"] == summary["figures"]["lufs"]["mean"]


def test_two_processes_share_the_work_and_find_the_same(unison, clips, tmp_path):
    run = ("eval", clips, "--jobs", 0, "--metrics", "technical,loudness,av_lag")
    unison(*run, "--out", tmp_path / "one")
    done = forked.launch(forked.unison, *run, "--out", tmp_path / "two", folder=tmp_path)
    assert all(process.returncode == 0 for process in done), done
    one, two = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("one", "two"))
    for part in ("items", "figures", "set_figures", "faults"):
        assert one[part] == two[part]


def test_a_broken_file_is_null_and_exit_code_3(unison, clips, tmp_path):
    (clips / "broken.mp4").write_text("nothing")
    result = unison("eval", clips, "--out", tmp_path / "out", "--jobs", 0, "--metrics", "technical", "--no-page")
    assert result.exit_code == 3
    assert "the video cannot be read" in result.stderr
    figure = json.loads((tmp_path / "out" / "summary.json").read_text())["figures"]["motion"]
    assert (figure["n_scored"], figure["skipped"]) == (2, {"the video cannot be read": 1})


def test_asked_for_by_name_but_not_possible_is_exit_code_3_and_by_default_it_is_not(unison, clips, tmp_path):
    words = ("eval", clips, "--out", tmp_path / "a", "--jobs", 0, "--metrics", "lufs,stem_balance", "--no-page")
    assert unison(*words).exit_code == 3
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert summary["figures"]["ld"]["skipped"] == {"no speech stem": 1, "no transcript": 1}
    assert unison("eval", clips, "--out", tmp_path / "b", "--jobs", 0, "--no-page").exit_code == 0


def test_missing_weights_are_told_of(unison, clips, tmp_path):
    result = unison("eval", clips, "--out", tmp_path / "out", "--metrics", "audiobox,lufs", "--offline", "--weights",
                    tmp_path, "--no-page", "--jobs", 0)  # fmt: skip
    assert result.exit_code == 3
    assert "weights facebook/audiobox-aesthetics are missing" in result.stderr


def test_wrong_usage_is_exit_code_2(unison, clips, tmp_path):
    for arguments, message in (
        (("eval",), "name a folder"),
        (("eval", tmp_path / "nothing"), "is no folder"),
        (("eval", clips, "--metrics", "beauty"), "unknown metric 'beauty'"),
        (("eval", clips, "--metrics", "imagebind"), "not built"),
        (("eval", clips, "--set", "other-bench"), "there is no set 'other-bench'"),
        (("eval", "--recordings", "--model", "x"), "--recordings"),
    ):
        result = unison(*arguments)
        assert result.exit_code == 2, result.output
        assert message in result.stderr


def test_list_names_every_metric_with_its_licence(unison):
    result = unison("eval", "--list")
    assert result.exit_code == 0
    assert "av_lag  [default]" in result.stdout
    assert "imagebind  [not built]" in result.stdout
    assert "CC-BY-NC-SA-4.0" in result.stdout
    rows = json.loads(unison("eval", "--list", "--json").stdout)["metrics"]
    assert {"name", "figures", "needs", "runs", "weights", "licence", "about", "source"} == set(rows[0])


def test_compare_gives_paired_differences(unison, clips, tmp_path):
    for name in ("a", "b"):
        unison("eval", clips, "--out", tmp_path / name, "--jobs", 0, "--metrics", "lufs", "--no-page")
    result = unison("eval", "--compare", tmp_path / "a", tmp_path / "b")
    assert result.exit_code == 0, result.output
    assert "| B - A |" in result.stdout
    found = json.loads(unison("eval", "--compare", tmp_path / "a", tmp_path / "b", "--json").stdout)
    assert all(x["difference"]["mean"] == 0 for x in found["differences"])


def test_prompts_and_a_model_give_clips_with_gates_and_scores(unison, tiny_folder, tmp_path):
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"id": "one", "caption": "A man", "transcript": "", "duration": 1.64, "seed": 1}\n')
    run = ("eval", prompts, "--model", tiny_folder, "--device", "cpu", "--out", tmp_path / "out", "--jobs", 0,
           "--metrics", "technical,unasked")  # fmt: skip
    result = unison(*run)
    assert result.exit_code == 3, result.output  # unasked needs a scene, and was asked for by name
    clip = tmp_path / "out" / "clips" / "one"
    gates = json.loads((clip / "gates.json").read_text())
    assert len(gates["gates"]["speech"]) == len(gates["sigma"]["speech"]) == 2  # steps
    assert len(gates["gates"]["speech"][0]) == 2  # blocks
    assert "Gates by layer" in (tmp_path / "out" / "index.html").read_text()
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["figures"]["length_error"]["mean"] == 0


def test_nano_bench_by_a_model_is_one_command(unison, tiny_folder, tmp_path):
    pytest.importorskip("pocketsphinx")
    result = unison("eval", "--set", "nano-bench", "--model", tiny_folder, "--device", "cpu", "--limit", 3, "--out",
                    tmp_path / "out", "--jobs", 0, "--no-page")  # fmt: skip
    assert result.exit_code in (0, 3), result.output  # a random model may be silent
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["kinds"] == {"ambient": 1, "speech": 1, "complex": 1}
    assert summary["figures"]["motion"]["n_scored"] == 3
    assert summary["figures"]["length_error"]["mean"] == 0


@pytest.mark.skipif(shutil.which("flite") is None, reason="needs the synthesiser flite")
def test_recordings_of_nano_bench_score_well(unison, tmp_path):
    for module in ("skia", "pocketsphinx", "cv2"):
        pytest.importorskip(module)
    result = unison("eval", "--recordings", "--limit", 3, "--out", tmp_path / "out", "--jobs", 0, "--no-page")
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "out" / "summary.json").read_text())["figures"]
    assert figures["action_right"]["mean"] == figures["voice_right"]["mean"] == figures["colours_right"]["mean"] == 1
    assert figures["lips_r"]["mean"] > 0.5
    assert figures["length_error"]["mean"] == 0
