"""The pictures of the pages are drawn from the recorded results, and a missing result leaves its pictures out."""

import importlib.util
import json
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("pictures", ROOT / "docs" / "hooks" / "pictures.py")
pictures = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(pictures)
RECORDED = {path.parent.name for path in (ROOT / "experiments").glob("*/result.json")}
PAGES = {path.name: path.read_text() for path in (ROOT / "docs").glob("*.md")}


@pytest.fixture(scope="module")
def drawn():
    return pictures.drawn(ROOT / "experiments")


def texts(svg):
    return ["".join(part.itertext()) for part in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_every_picture_whose_results_are_recorded_is_drawn(drawn):
    wanted = {name for name, (studies, _) in pictures.PICTURES.items() if set(studies) <= RECORDED}
    assert {"parent-by-tolerance", "parent-by-width", "cost-by-size", "proofs"} <= wanted
    assert set(drawn) == wanted


@pytest.mark.parametrize("name", ["parent-by-tolerance", "parent-by-width"])
def test_every_construction_of_the_record_is_named_beside_its_curve(drawn, name):
    record = json.loads((ROOT / "experiments" / "parents" / "result.json").read_text())
    assert set(record["table"]) <= set(texts(drawn[name]))


def test_text_and_paper_follow_the_readers_scheme(drawn):
    for svg in drawn.values():
        assert "prefers-color-scheme: dark" in svg
        assert "var(--ink)" in svg
        assert "var(--paper)" in svg
        assert not {pictures.INK, pictures.PAPER} & set(re.findall(r"#[0-9a-f]{6}", svg))


def test_the_same_record_gives_the_same_picture(drawn):
    assert pictures.drawn(ROOT / "experiments") == drawn


def test_a_curve_follows_its_record(tmp_path, drawn):
    shutil.copytree(ROOT / "experiments" / "parents", tmp_path / "parents")
    path = tmp_path / "parents" / "result.json"
    record = json.loads(path.read_text())
    record["table"]["two-layer"]["width 64"]["mean"] *= 2
    path.write_text(json.dumps(record))
    changed = pictures.drawn(tmp_path)
    assert changed["parent-by-width"] != drawn["parent-by-width"]
    assert changed["parent-by-tolerance"] == drawn["parent-by-tolerance"]


def test_where_a_construction_refuses_its_curve_has_no_point(tmp_path):
    shutil.copytree(ROOT / "experiments" / "parents", tmp_path / "parents")
    path = tmp_path / "parents" / "result.json"
    record = json.loads(path.read_text())
    points = [point for point in record["table"]["malach-box"] if point.startswith("width")]
    record["table"]["malach-box"] |= dict.fromkeys(points)
    path.write_text(json.dumps(record))
    found = pictures.drawn(tmp_path)
    assert "malach-box" not in texts(found["parent-by-width"])
    assert "malach-box" in texts(found["parent-by-tolerance"])


def test_real_networks_are_drawn_as_their_study_records_them(tmp_path):
    one = {"mean": 0.1, "ci95": 0.05, "min": 0.0, "max": 0.2}
    columns = ("accuracy change", "median layer ratio", "worst layer ratio")
    columns += ("certificate", "output range", "rms output error")
    source = (ROOT / "experiments" / "real_networks" / "run.py").read_text()
    assert all(f'"{column}"' in source for column in columns)
    (tmp_path / "real_networks").mkdir()
    record = {"table": {"conv-4 on cifar10, sparsest": dict.fromkeys(columns, one)}}
    (tmp_path / "real_networks" / "result.json").write_text(json.dumps(record))
    found = pictures.drawn(tmp_path)
    assert set(found) == {"real-networks", "real-certificates"}
    assert all("conv-4 on cifar10, sparsest" in texts(svg) for svg in found.values())


def test_pages_show_every_picture_with_words_for_it():
    image = re.compile(r"!\[([^\]]*)\]\(pictures/([\w-]+)\.svg\)")
    shown = {name: words for page in PAGES.values() for words, name in image.findall(page)}
    assert set(shown) == set(pictures.PICTURES)
    assert all(len(words) > 60 for words in shown.values())


def test_a_missing_result_leaves_its_pictures_out_of_a_strict_site(tmp_path):
    for study in ("scale", "two_layer"):
        shutil.copytree(ROOT / "experiments" / study, tmp_path / "experiments" / study)
    (tmp_path / "docs").mkdir()
    images = re.findall(r"!\[[^\]]*\]\(pictures/[^)]*\)", "".join(PAGES.values()))
    (tmp_path / "docs" / "index.md").write_text("\n\n".join(["before", *images, "after"]))
    hook = ROOT / "docs" / "hooks" / "pictures.py"
    (tmp_path / "mkdocs.yml").write_text(f"site_name: x\nstrict: true\nplugins: []\nhooks: [{hook}]\n")
    build(load_config(str(tmp_path / "mkdocs.yml")))
    site = tmp_path / "site"
    assert {path.name for path in (site / "pictures").iterdir()} == {"cost-by-size.svg", "proofs.svg"}
    page = (site / "index.html").read_text()
    assert re.findall(r"pictures/([\w-]+)", page) == ["proofs", "cost-by-size"]
    assert "after" in page
