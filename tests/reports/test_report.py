"""A report about a network whose answers are known: its numbers, what it shows and hides, its size, and that it goes on after a kill."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ferviz
from ferviz.cli import run
from ferviz.data.dataset import Dataset
from ferviz.documents.parts import Page, PagePicture, PageSection
from ferviz.documents.read_record import read_record
from ferviz.dreaming.result import Dream
from ferviz.emotions import label_scheme
from ferviz.errors import DataError, OutputError, OutputExistsError, UsageError
from ferviz.evaluation.panel.panel_result import MethodRow, TrustReport
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model
from ferviz.reports import dream_section as dream_module
from ferviz.reports import trust_section as trust_module
from ferviz.reports import write_report as report_module
from ferviz.reports.accuracy_section import accuracy_section, check_section
from ferviz.reports.budget import render_within
from ferviz.reports.dream_section import dream_section
from ferviz.reports.gallery_section import chosen_faces, gallery_section
from ferviz.reports.question import SIZES, Question
from ferviz.reports.section import Answer
from ferviz.reports.study_section import COLUMNS, readable, study_section
from ferviz.reports.write_report import SECTIONS, parts_of, write_report
from ferviz.studies import confusion_study, label_study, mean_map_study, region_study
from ferviz.studies.confusion_study import MIN_CELL, faces_of_cells
from ferviz.studies.resampling import MIN_GROUPS
from ferviz.studies.study_faces import predict_faces
from ferviz.trust.recommendation import Recommendation

pytest.importorskip("jinja2", reason="the extra report is not installed")

LABELS = ("happy", "</script><b>sad", "שלום {{ 7*7 }}")
CHEAP = ("check", "accuracy", "confusions", "labels", "gallery")


class FirstPixels:
    """The logits are the first pixels of the second row. name, head, layers: as of an Engine."""

    name, head, layers = "first-pixels", "softmax", ()
    classes = len(LABELS)

    def logits(self, batch: np.ndarray) -> np.ndarray:
        return np.asarray(batch[:, 1, : self.classes, 0] / 32, np.float32)


def made_question() -> Question:
    """60 faces of 3 classes. Of the last class a third is called happy, with more confidence than any other answer."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 48, 48), dtype=np.uint8)
    true = np.arange(60) % 3
    images[:, 1, :3] = 0
    images[np.arange(60), 1, true] = 60 + np.arange(60)
    wrong = np.flatnonzero(true == 2)[::3]
    images[wrong, 1, :3] = 0
    images[wrong, 1, 0] = 200 + np.arange(len(wrong))
    engine: Any = FirstPixels()
    model = Model("pixels", "0" * 64, LABELS, InputSpec(48, 48, 1, scaling="0..255"), engine)
    data = Dataset(
        images, true, np.full(60, "test"), np.arange(60) + 100, label_scheme(LABELS), None, "/home/me/made.csv", "5a"
    )
    return Question(model, data, "test", quick=True, command="ferviz report made.csv")


@pytest.fixture
def question() -> Question:
    return made_question()


CHEAP_SECTIONS = {name: SECTIONS[name] for name in CHEAP}


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without the sections that take seconds; those have tests with their studies."""
    monkeypatch.setattr(report_module, "SECTIONS", CHEAP_SECTIONS)


@pytest.fixture
def unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made and not painted, for tests of what stands beside them: the report `out` and the browser have them painted."""
    monkeypatch.setattr("ferviz.results.rasterised", lambda figure: Image.new("RGB", (60, 40)))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the question, in a folder of its own, written once: nobody changes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_module, "SECTIONS", CHEAP_SECTIONS)
        return write_report(made_question(), tmp_path_factory.mktemp("report") / "out.html")


def test_accuracy_is_what_was_made(question: Question, unpainted: None) -> None:
    answer = accuracy_section(question)
    assert answer.record["confusion"] == [[20, 0, 0], [0, 20, 0], [7, 0, 13]]
    assert "right on 88.3 % of 60 faces of test" in answer.finding
    assert "it finds שלום {{ 7*7 }} least, 65.0 %" in answer.finding
    classes, confusion = answer.section.tables
    assert list(classes.rows[2][:3]) == [LABELS[2], 20, 0.65]
    assert list(confusion.rows[2]) == [LABELS[2], 7, 0, 13]


def test_a_network_that_is_fed_right_is_called_so(question: Question) -> None:
    section = check_section(question).section
    assert section.text[0].startswith(("Preprocessing and labels are right", "Use "))
    assert len(section.tables[0].rows) > 1


def test_the_gallery_follows_its_rules(question: Question) -> None:
    known = predict_faces(question.model, question.data)
    chosen = chosen_faces(known, 2)
    wrong = np.flatnonzero((known.true == 2) & (known.predicted != 2))
    assert chosen["wrong"] == wrong[-1]  # the brightest pixel
    right = np.flatnonzero((known.true == 2) & (known.predicted == 2))
    assert chosen["typical"] == right[(len(right) - 1) // 2]
    assert chosen["uncertain"] == right[0]  # the darkest pixel
    assert set(chosen_faces(known, 0)) == {"typical", "uncertain"}
    answer = gallery_section(question)
    assert [face["row"] for face in answer.record["faces"][-3:]] == [
        100 + chosen[rule] for rule in ("typical", "uncertain", "wrong")
    ]
    assert len(answer.section.pictures) == 7
    assert "said happy" in answer.section.pictures[-1].alt


def test_the_file_has_every_section_and_its_numbers(question: Question, out: Path) -> None:
    text = out.read_text(encoding="utf-8")
    assert [p.name for p in out.parent.iterdir()] == ["out.html"]
    assert text.count("<script") == 1
    assert "<b>sad" not in text
    assert "/home/me" not in text
    assert "ferviz report made.csv" in text
    record = read_record(out)
    assert list(record["sections"]) == [*CHEAP]
    expected = json.loads(json.dumps(accuracy_section(question).record))
    assert record["sections"]["accuracy"]["per_class"] == expected["per_class"]
    assert record["settings"]["model_sha256"] == "0" * 64
    headings = re.findall(r"<h2[^>]*>([^<]*)", text)
    assert headings == [
        "Privacy",
        "What was made short",
        *(SECTIONS[name][0] for name in CHEAP),
        "Method",
        "Caveats",
        "How to cite",
        "Made by",
    ]


def test_without_faces_there_are_none(question: Question, unpainted: None) -> None:
    hidden = Question(question.model, question.data, "test", show_faces=False)
    assert not gallery_section(hidden).section.pictures
    assert not accuracy_section(hidden).section.pictures
    assert not study_section("labels", hidden).section.pictures
    assert study_section("labels", question).section.pictures


def test_what_cannot_be_measured_says_why(question: Question, cheap: None, unpainted: None, tmp_path: Path) -> None:
    few = Question(question.model, question.data.take(np.arange(6)), "test", show_faces=False)
    record = read_record(write_report(few, tmp_path / "a.html"))
    assert "too few" in record["sections"]["check"]["not_measured"]
    assert record["sections"]["accuracy"]["n"] == 6
    with pytest.raises(DataError, match="no faces"):
        write_report(Question(question.model, question.data.take(np.arange(0)), "test"), tmp_path / "b.html")


@pytest.mark.slow
def test_a_report_says_what_it_lacks(question: Question, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One face; a class without faces; faces of a class that the network does not have."""
    # That a network is fed right, and why it errs, is asked of such data in their own tests.
    names = ("accuracy", "labels", "gallery")
    monkeypatch.setattr(report_module, "SECTIONS", {name: SECTIONS[name] for name in names})
    one = replace(question, data=question.data.take([0]))
    record = read_record(write_report(one, tmp_path / "one.html"))["sections"]
    assert (record["accuracy"]["n"], record["gallery"]["faces"][0]["row"]) == (1, 100)
    monkeypatch.setattr("ferviz.results.rasterised", lambda figure: Image.new("RGB", (60, 40)))  # painted once
    part = replace(question, data=question.data.take(np.flatnonzero(question.data.labels != 1)))
    record = read_record(write_report(part, tmp_path / "part.html"))["sections"]
    assert record["accuracy"]["confusion"][1] == [0, 0, 0]
    assert LABELS[1] not in {face["label"] for face in record["gallery"]["faces"]}
    surprise = replace(question.data, scheme=label_scheme((LABELS[0], "surprise", LABELS[2])))
    out = write_report(replace(question, data=surprise), tmp_path / "strange.html")
    record = read_record(out)["sections"]
    assert (record["accuracy"]["n"], len(record["gallery"]["faces"])) == (40, 5)
    assert "20 surprise" in out.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_report_about_very_many_faces_stays_a_page(
    question: Question, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    count = 40_000
    monkeypatch.setattr(report_module, "SECTIONS", {name: SECTIONS[name] for name in ("accuracy", "labels", "gallery")})
    images = np.random.default_rng(1).integers(0, 256, (count, 8, 8), np.uint8)
    true = images[:, 1, :3].argmax(1)
    true[::100] = (true[::100] + 1) % 3
    data = Dataset(images, true, np.full(count, "test"), np.arange(count), question.data.scheme, None, "many.csv", "5a")
    model = replace(question.model, input=InputSpec(8, 8, 1, scaling="0..255"))
    out = write_report(replace(question, model=model, data=data), tmp_path / "many.html")
    record = read_record(out)
    assert record["settings"]["faces"] == count
    assert record["sections"]["accuracy"]["accuracy"] == pytest.approx(
        0.99, abs=1e-3
    )  # of equal pixels, either may win
    doubted = record["sections"]["labels"]["tables"]["labels"]
    assert all(row["row"] % 100 == 0 for row in doubted)
    assert len(out.read_bytes()) < 5_000_000
    assert out.read_text(encoding="utf-8").count("<tr>") < 200


def test_a_killed_report_goes_on(question: Question, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def section(name: str, fail: bool = False) -> Callable[[Question], Answer]:
        def made(_: Question) -> Answer:
            calls.append(name)
            if fail:
                raise KeyboardInterrupt
            return Answer(PageSection(name), {"name": name}, name)

        return made

    out = tmp_path / "out.html"
    sections = {"check": ("a", section("check")), "accuracy": ("b", section("accuracy", fail=True))}
    monkeypatch.setattr(report_module, "SECTIONS", sections)
    with pytest.raises(KeyboardInterrupt):
        write_report(question, out)
    assert not out.exists()
    with pytest.raises(OutputError, match="--resume"):
        write_report(question, out)
    monkeypatch.setitem(sections, "accuracy", ("b", section("accuracy")))
    write_report(question, out, resume=True)
    assert calls == ["check", "accuracy", "accuracy"]
    assert not parts_of(out).exists()
    with pytest.raises(OutputExistsError):
        write_report(question, out)


def test_sections_of_another_question_and_damaged_ones_are_made_again(question: Question) -> None:
    text = Answer(PageSection("a"), {"n": 1}).to_text(question.fingerprint())
    other = Question(question.model, question.data, "test", quick=True, seed=1)
    assert Answer.from_text(text, question.fingerprint()) is not None
    assert Answer.from_text(text, other.fingerprint()) is None
    assert Answer.from_text(text[:-9], question.fingerprint()) is None


def test_a_file_that_is_too_large_says_what_it_left_out() -> None:
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (400, 400, 3), dtype=np.uint8))
    small = noise.resize((90, 90))
    page = Page(
        "t", "", (PageSection("s", pictures=(PagePicture.of(noise, "large"), PagePicture.of(small, "small"))),), {}
    )
    whole = render_within(page, 10**7)
    assert "Left out" not in whole
    halved = render_within(page, len(whole) // 2)
    assert "half as large" in halved
    assert 'width="200"' in halved
    without = render_within(page, 12_000)
    assert "Large pictures were left out" in without
    assert 'alt="small"' in without
    assert 'alt="large"' not in without
    with pytest.raises(UsageError, match="--max-mb"):
        render_within(page, 1000)


def test_extract_prints_the_numbers(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["report", "extract", str(out)]) == 0
    assert json.loads(capsys.readouterr().out) == read_record(out)
    assert run(["report", "extract", str(tmp_path / "none.html")]) != 0
    assert run(["report", "data.csv", "--out", str(tmp_path / "a.pdf")]) == 2
    assert ".html" in capsys.readouterr().err


@pytest.mark.slow
def test_python_writes_what_the_command_writes(
    question: Question, out: Path, tmp_path: Path, unpainted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("check", "accuracy", "labels", "gallery")
    monkeypatch.setattr(report_module, "SECTIONS", {name: SECTIONS[name] for name in names})
    other = ferviz.report(question.model, question.data, tmp_path / "out.html", judges=[question.model], quick=True)
    record, expected = ferviz.read_record(other), read_record(out)
    assert record["settings"] == expected["settings"] | {"judges": ["pixels"]}
    assert record["sections"] == {name: expected["sections"][name] for name in names}
    for wrong in ({"max_mb": 21}, {"max_mb": 0}, {"seed": -1}, {"batch_size": 0}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            ferviz.report(question.model, question.data, tmp_path / "b.html", **wrong)


def test_a_quick_report_has_faces_enough_for_intervals() -> None:
    """Of seven classes: each class of the regions, right and wrong faces of each label, and the heaviest mistake with its reference."""
    quick = {name: few for name, (few, _) in SIZES.items()}
    assert quick["regions"] >= 7 * MIN_GROUPS
    assert quick["variants"] >= 7
    assert quick["mean-maps"] >= 2 * 7 * MIN_GROUPS
    assert faces_of_cells(quick["confusions"], quick["cells"])[0] >= MIN_CELL
    whole = {name: full for name, (_, full) in SIZES.items()}
    assert min(faces_of_cells(whole["confusions"], whole["cells"])) >= MIN_CELL


def test_a_report_has_the_columns_that_a_reader_wants() -> None:
    table = [["rank", "row", "split", "label", "doubt", "votes_majority"], [1, 7, "test", "sad", 0.9, ""]]
    assert readable("labels", table) == [["rank", "row", "label", "doubt"], [1, 7, "sad", 0.9]]
    studies = {
        "regions": region_study,
        "mean-maps": mean_map_study,
        "confusions": confusion_study,
        "labels": label_study,
    }
    for name, module in studies.items():
        assert set(COLUMNS[name]) <= set(module.COLUMNS), name
        assert not any("_" in heading for heading in COLUMNS[name].values())


@pytest.mark.slow
def test_a_quick_report_says_what_it_made_short(
    question: Question, out: Path, tmp_path: Path, unpainted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = out.read_text(encoding="utf-8")
    assert question.size("confusions") < replace(question, quick=False).size("confusions")
    row = f'{question.size("confusions")} faces</td>\n<td dir="auto">{replace(question, quick=False).size("confusions")} faces'
    assert row in text
    assert "dreams" not in text.split("What was made short")[2].split("</table>")[0]  # it has no such section
    monkeypatch.setattr(report_module, "SECTIONS", {name: SECTIONS[name] for name in ("check", "accuracy")})
    for quick in (True, False):
        page = write_report(replace(question, quick=quick), tmp_path / f"{quick}.html").read_text(encoding="utf-8")
        assert ("What was made short" in page) == quick


def test_sections_share_one_pass_over_the_faces(
    question: Question, tmp_path: Path, unpainted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine: Any = question.model.engine
    asked: list[int] = []
    monkeypatch.setattr(FirstPixels, "logits", _counted(FirstPixels.logits, asked))
    names = ("labels", "gallery")
    monkeypatch.setattr(report_module, "SECTIONS", {name: SECTIONS[name] for name in ("accuracy", *names)})
    write_report(question, tmp_path / "out.html")
    assert sum(asked) == 2 * len(question.data)  # for accuracy, which takes time, and for the others together
    assert engine is question.model.engine


def _counted(logits: Callable[..., np.ndarray], asked: list[int]) -> Callable[..., np.ndarray]:
    def counting(self: Any, batch: np.ndarray) -> np.ndarray:
        asked.append(len(batch))
        return logits(self, batch)

    return counting


def dreamt(*predicted: str) -> Dream:
    images = np.zeros((2, 48, 48), np.uint8)
    images[np.arange(2), 1, [0, 2]] = 255  # what FirstPixels calls the first and the last class
    trace, frames = np.zeros((2, 3), np.float32), np.zeros((0, 2, 48, 48), np.uint8)
    return Dream(images, LABELS[:2], LABELS[:2], trace, np.array([0.9, 0.2]), predicted, frames)


def test_dreams_stand_beside_what_judges_see(question: Question, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dream_module, "dream", lambda model, steps, seed: dreamt(LABELS[0], LABELS[0]))
    alone = dream_section(question)
    assert alone.section.text[0].startswith("The network recognises 1 of its 2 dreams.")
    assert alone.finding == ""
    assert any("--judge" in note for note in alone.section.notes)
    judged = dream_section(replace(question, judges=(question.model,)))
    assert judged.finding == "The network recognises 1 of its 2 dreams; of those whose classes it knows, pixels 1 of 2."
    rows = judged.section.tables[0].rows
    assert rows[0][:3] == [LABELS[0], 0.9, LABELS[0]]
    assert rows[0][3] > 0.99
    assert rows[1][3] < 0.01
    assert len(judged.section.pictures) == 2
    assert "pixels: happy" in judged.section.pictures[0].caption


def trust_rows(passed: dict[str, int], count: int) -> tuple[MethodRow, ...]:
    """Methods that are better than the blob on the first of so many faces."""
    every, groups = np.ones(count, bool), np.arange(count)
    rows = [MethodRow("centre blob", "", np.zeros((count, 3), np.float32), every, groups)]
    for name, better in passed.items():
        srg = np.where(np.arange(count) < better, 0.5, 0.0)[:, None].repeat(3, axis=1).astype(np.float32)
        rows.append(MethodRow(name, "", srg, every, groups, (4, 4), 1.0, 0.002))
    return tuple(rows)


@pytest.mark.parametrize(("count", "passed", "names_the_other"), [(8, 5, False), (100, 90, True)])
def test_the_panel_says_what_the_maps_are_worth(
    question: Question, monkeypatch: pytest.MonkeyPatch, count: int, passed: int, names_the_other: bool
) -> None:
    rows = trust_rows({"saliency": count // 2, "occlusion": passed}, count)
    report = TrustReport("pixels", "0" * 64, "made.csv", count, 6, ("mean", "blur", "harmonic"), 0.05, False, 0, rows)
    monkeypatch.setattr(trust_module, "trust_report", lambda *a, **b: report)
    # The maps of the other sections are those of `auto` for many faces, which may take 20 passes a face.
    own = {1: "gradcam", 20: "saliency", 500: "occlusion"}
    monkeypatch.setattr(trust_module, "recommended", lambda model, passes: Recommendation(own[passes], None, ""))
    monkeypatch.setattr(trust_module, "panel_methods", lambda question: ["saliency", "occlusion"])
    answer = trust_module.trust_section(question)
    assert f"(Saliency) beat a blob in the middle of the face on 50.0 % of {count} faces" in answer.finding
    assert ("Occlusion does so on 90.0 %" in answer.finding) is names_the_other
    table = answer.section.tables[0].rows
    assert [row[4] for row in table] == [0, 0.5, passed / count]
    assert table[0][5] == ""
    assert table[2][5] < passed / count < table[2][6]


def test_nothing_is_repeated_that_a_report_has_no_option_for(question: Question) -> None:
    section = check_section(question).section
    assert not any("--" in sentence for sentence in (*section.text, *section.notes))


@pytest.mark.slow
def test_a_browser_shows_a_report(out: Path, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 700})
    page, asked, complaints = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(out.as_uri())
    assert [url for url in asked if not url.startswith("data:")] == [out.as_uri()]
    assert complaints == []
    assert page.locator("section").count() == len(CHEAP) + 6
    assert page.locator("img:not([alt])").count() == 0
    assert page.locator("td", has_text="13").count() >= 1
    context.close()


@pytest.mark.slow
def test_a_report_is_accessible(out: Path, browser: Any) -> None:
    package = pytest.importorskip("axe_playwright_python", reason="the package axe-playwright-python is not installed")
    axe = (resources.files(package) / "axe.min.js").read_text(encoding="utf-8")
    page = browser.new_page()
    page.goto(out.as_uri())
    page.evaluate(f"() => {{ {axe} }}")
    for scheme, width in (("light", 1280), ("dark", 320)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        violations = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
        serious = [
            (rule["id"], node["html"][:200])
            for rule in violations
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        ]
        assert serious == [], scheme
    page.close()


@pytest.mark.slow
def test_the_axe_of_this_test_cuts(browser: Any) -> None:
    package = pytest.importorskip("axe_playwright_python", reason="the package axe-playwright-python is not installed")
    page = browser.new_page()
    page.set_content(
        "<!doctype html><title>t</title><main><h1>t</h1><img src='data:,'><p style='color:#bbb'>pale</p></main>"
    )
    page.evaluate(f"() => {{ {(resources.files(package) / 'axe.min.js').read_text(encoding='utf-8')} }}")
    rules = {rule["id"] for rule in page.evaluate("axe.run()")["violations"]}
    assert {"image-alt", "color-contrast", "html-has-lang"} <= rules
    page.close()
