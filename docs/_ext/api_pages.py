"""Writes docs/reference/api/ before the site is built: every public name of ferviz, a page a group, from the docstrings."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import ferviz

if TYPE_CHECKING:
    from sphinx.application import Sphinx

GROUPS = {
    "Networks": "load_model Model LayerInfo Prediction Predictions InputSpec compile_model CompiledModel diagram Diagram architectures",
    "Faces": "find_faces read_image Face detectors Detector",
    "Explaining": "explain Explanation explain_dataset AttributionJob compare_explanations ExplanationComparison activations Activations "
    "filters Filters methods canvas FaceCanvas",
    "Video": "analyze_video AnalysisOptions VideoSummary",
    "Dreaming": "dream Dream DreamConfig objectives Objective Octaves",
    "Data": "read_data Dataset describe_data DataSummary readers label_scheme label_schemes LabelScheme",
    "Measuring": "check CheckResult evaluate Evaluation compare_models ModelComparison trust_report TrustReport audit AuditResult",
    "Studies": "study Study report read_record",
    "Training": "train TrainConfig Augmentation TrainingRun TrainingProgress",
    "Scaling": "scale",
    "Teaching": "teach TeachConfig Teaching TeachingProgress",
    "Extending": "register",
}
"""Title of a page -> its names, in the order of reading. A public name that stands in none of them goes to "More"."""

TYPES = """
ferviz.engines.base.Engine
ferviz.engines.base.LayerInfo
ferviz.models.compiled.file.CompiledModel
ferviz.attribution.methods.method.Method
ferviz.attribution.targets.Target
ferviz.data.provenance.Provenance
ferviz.trust.verdict.Trust
ferviz.trust.verdict.Verdict
ferviz.evaluation.panel.stability.Stability
ferviz.evaluation.panel.panel_result.MethodRow
ferviz.evaluation.panel.randomisation.Cascade
ferviz.evaluation.panel.randomisation.Randomisation
ferviz.evaluation.panel.region_agreement.RegionAgreement
ferviz.attribution.maps.receptive_fields.Placement
ferviz.engines.compiled_network.CompiledNetwork
ferviz.engines.litert.LiteRTEngine
ferviz.faces.detectors.detector.Detector
ferviz.faces.detectors.detector.Detection
ferviz.dreaming.terms.term.Term
ferviz.dreaming.judging.Judgement
ferviz.dreaming.transforms.Transforms
ferviz.dreaming.regularizers.Regularizers
ferviz.dreaming.parameterizations.parameterization.Parameterization
ferviz.evaluation.metrics.ClassFigures
ferviz.evaluation.metrics.Reliability
ferviz.evaluation.metrics.McNemar
ferviz.evaluation.audit.questions.Measured
ferviz.evaluation.audit.questions.Question
ferviz.evaluation.audit.run_record.RunRecord
ferviz.evaluation.check.result.Convention
ferviz.evaluation.check.candidates.Preprocessing
ferviz.evaluation.check.label_orders.LabelOrder
ferviz.video.result.TrackSummary
ferviz.video.reading.Video
ferviz.video.reading.Frame
ferviz.video.segments.Segment
ferviz.video.pipeline.FrameResult
ferviz.video.pipeline.TrackedFace
ferviz.training.train.TrainingProgress
ferviz.training.explainer.teach.TeachingProgress
ferviz.models.compiled.explainer.TaughtExplainer
ferviz.models.compiled.explainer.Lesson
ferviz.dreaming.deepdream.Octaves
ferviz.dreaming.dream.DreamConfig
ferviz.rendering.sheets.sheet.Sheet
ferviz.rendering.sheets.sheet.Cell
ferviz.rendering.sheets.sheet.Remark
ferviz.data.dataset.BadRow
ferviz.data.summary.Overlap
ferviz.data.summary.Agreement
ferviz.data.dataset.Table
ferviz.data.dataset.Answers
ferviz.results.Result
ferviz.rendering.printed_result.PrintedResult
ferviz.rendering.printed_result.ChartResult
ferviz.rendering.printing.PrintSize
ferviz.rendering.chart_page.ChartPage
ferviz.rendering.chart_page.ChartRow
ferviz.writers.Writer
ferviz.scale.planner.Plan
ferviz.scale.settings.ScaleSettings
ferviz.scale.predictions.PredictionJob
ferviz.scale.predictions.PredictedFaces
ferviz.scale.receipts.Receipt
ferviz.scale.receipts.Counts
ferviz.scale.run_status.RunStatus
ferviz.scale.descriptors.Descriptor
ferviz.scale.explain_batches.Explain
"""
"""Types that public functions take or return in a corner, and those that extensions meet: documented where they are defined."""

OPTIONS = ":members:\n   :show-inheritance:"


def groups() -> dict[str, list[str]]:
    """Return {title: public names}; every name of `ferviz.__all__` is in exactly one group."""
    sorted_in = {title: [n for n in names.split() if n in ferviz.__all__] for title, names in GROUPS.items()}
    sorted_in["Errors"] = [n for n in ferviz.__all__ if n.endswith("Error")]
    grouped = {n for names in sorted_in.values() for n in names}
    sorted_in["More"] = [n for n in ferviz.__all__ if n not in grouped]
    return {title: names for title, names in sorted_in.items() if names}


def entry(name: str) -> str:
    """Return the directive that documents a public name."""
    value = getattr(ferviz, name)
    if inspect.isclass(value):
        if issubclass(value, BaseException):
            return f".. autoexception:: ferviz.{name}\n   :members: exit_code\n   :show-inheritance:\n"
        return f".. autoclass:: ferviz.{name}\n   {OPTIONS}\n"
    if isinstance(value, ModuleType):
        return f".. automodule:: {value.__name__}\n   :members:\n"
    return f".. autofunction:: ferviz.{name}\n"


def page(title: str, names: list[str]) -> str:
    """Return the text of one group's page."""
    line = "=" * len(title)
    return f"{title}\n{line}\n\n.. currentmodule:: ferviz\n\n" + "\n".join(entry(n) for n in names)


def types_page() -> str:
    """Return the text of the page about types that are no names of `ferviz` itself."""
    paths = [path for path in TYPES.split() if path.rsplit(".", 1)[1] not in ferviz.__all__]
    head = (
        "Other types\n===========\n\n"
        "Not names of ``ferviz`` itself: they turn up as a field or an argument, or where ferviz is extended.\n\n"
    )
    return head + "\n".join(f".. autoclass:: {path}\n   {OPTIONS}\n" for path in paths)


def write_pages(app: Sphinx) -> None:
    """Write the pages of all groups; a page whose text is the same is left alone, so that it is not built again."""
    folder = Path(app.srcdir) / "reference" / "api"
    folder.mkdir(parents=True, exist_ok=True)
    texts = {f"{title.lower()}.rst": page(title, names) for title, names in groups().items()}
    texts["types.rst"] = types_page()
    for old in folder.glob("*.rst"):
        if old.name not in texts:
            old.unlink()
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def split_attributes(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Give each of several attributes that share a line of an `Attributes:` section a line of its own, as napoleon expects it."""
    out: list[str] = []
    entry: list[str] = []
    inside = False
    for line in [*lines, ""]:
        if entry and line.startswith("        "):
            entry.append(line)
            continue
        if entry:
            names, _, first = entry[0].strip().partition(": ")
            out += [part for shared in names.split(", ") for part in (f"    {shared}: {first}", *entry[1:])]
            entry = []
        if line and not line[0].isspace():
            inside = line == "Attributes:"
        if inside and re.match(r"    \w+(?:, \w+)+: ", line):
            entry = [line]
        else:
            out.append(line)
    lines[:] = out


def plain_defaults(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str | None, returns: str | None
) -> object:
    """Write a default that a dataclass computes as `...`, so that Sphinx can read the signature."""
    return (signature.replace("<factory>", "..."), returns) if signature else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension with Sphinx."""
    app.connect("builder-inited", write_pages)
    app.connect("autodoc-process-docstring", split_attributes, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", plain_defaults)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
