"""ferviz shows what a facial-expression network looks at, and what it dreams of.

>>> import ferviz
>>> model = ferviz.load_model()                    # the bundled network; or load_model("my.h5")
>>> faces = ferviz.find_faces("group.jpg")
>>> ferviz.explain(model, faces).save("out.png")

Public names are loaded at first use, so that importing ferviz costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ferviz import register, scale
    from ferviz.attribution.activations import Activations, activations
    from ferviz.attribution.attribution_job import AttributionJob
    from ferviz.attribution.comparison import ExplanationComparison, compare_explanations
    from ferviz.attribution.explain import explain
    from ferviz.attribution.explanation import Explanation
    from ferviz.attribution.filters import Filters, filters
    from ferviz.attribution.methods.registry import methods
    from ferviz.attribution.stream import explain_dataset
    from ferviz.data.dataset import Dataset
    from ferviz.data.read import read_data, readers
    from ferviz.data.summary import DataSummary, describe_data
    from ferviz.documents.read_record import read_record
    from ferviz.dreaming import objectives
    from ferviz.dreaming.deepdream import Octaves
    from ferviz.dreaming.dream import DreamConfig, dream
    from ferviz.dreaming.objectives import Objective
    from ferviz.dreaming.result import Dream
    from ferviz.emotions import LabelScheme, label_scheme, label_schemes
    from ferviz.engines.base import LayerInfo
    from ferviz.errors import (
        DataError,
        FervizError,
        ModelError,
        NoFaceError,
        OutputError,
        OutputExistsError,
        PictureError,
        UnknownNameError,
        UntrustedModelError,
        UsageError,
    )
    from ferviz.evaluation.audit.audit import audit
    from ferviz.evaluation.audit.audit_result import AuditResult
    from ferviz.evaluation.check.check import check
    from ferviz.evaluation.check.result import CheckResult
    from ferviz.evaluation.comparison import ModelComparison, compare_models
    from ferviz.evaluation.evaluate import Evaluation, evaluate
    from ferviz.evaluation.panel.panel import trust_report
    from ferviz.evaluation.panel.panel_result import TrustReport
    from ferviz.faces.detectors.detector import Detector
    from ferviz.faces.detectors.registry import detectors
    from ferviz.faces.face import Face
    from ferviz.faces.find import find_faces
    from ferviz.images import read_image
    from ferviz.models.architectures import architectures
    from ferviz.models.compiled.compile import compile_model
    from ferviz.models.compiled.file import CompiledModel
    from ferviz.models.diagram import Diagram, diagram
    from ferviz.models.input_spec import InputSpec
    from ferviz.models.load import load_model
    from ferviz.models.model import Model
    from ferviz.models.prediction import Prediction, Predictions
    from ferviz.reports.network_report import report
    from ferviz.studies.registry import study
    from ferviz.studies.study import Study
    from ferviz.training.config import Augmentation, TrainConfig
    from ferviz.training.explainer.teach import TeachConfig, Teaching, TeachingProgress, teach
    from ferviz.training.train import TrainingProgress, TrainingRun, train
    from ferviz.video.analyze import analyze_video
    from ferviz.video.pipeline import AnalysisOptions
    from ferviz.video.result import VideoSummary
    from ferviz.web.notebook.face_canvas import FaceCanvas, canvas

_ADDRESSES = {
    "ferviz.register": "register",
    "ferviz.attribution.activations": "Activations activations",
    "ferviz.attribution.comparison": "ExplanationComparison compare_explanations",
    "ferviz.attribution.attribution_job": "AttributionJob",
    "ferviz.attribution.explain": "explain",
    "ferviz.attribution.explanation": "Explanation",
    "ferviz.attribution.filters": "Filters filters",
    "ferviz.attribution.methods.registry": "methods",
    "ferviz.attribution.stream": "explain_dataset",
    "ferviz.data.dataset": "Dataset",
    "ferviz.data.read": "read_data readers",
    "ferviz.data.summary": "DataSummary describe_data",
    "ferviz.documents.read_record": "read_record",
    "ferviz.dreaming": "objectives",
    "ferviz.dreaming.deepdream": "Octaves",
    "ferviz.dreaming.dream": "DreamConfig dream",
    "ferviz.dreaming.objectives": "Objective",
    "ferviz.dreaming.result": "Dream",
    "ferviz.emotions": "LabelScheme label_scheme label_schemes",
    "ferviz.engines.base": "LayerInfo",
    "ferviz.errors": "DataError FervizError ModelError NoFaceError OutputError OutputExistsError PictureError "
    "UnknownNameError UntrustedModelError UsageError",
    "ferviz.evaluation.check.check": "check",
    "ferviz.evaluation.check.result": "CheckResult",
    "ferviz.evaluation.comparison": "ModelComparison compare_models",
    "ferviz.evaluation.evaluate": "Evaluation evaluate",
    "ferviz.evaluation.audit.audit": "audit",
    "ferviz.evaluation.audit.audit_result": "AuditResult",
    "ferviz.evaluation.panel.panel": "trust_report",
    "ferviz.evaluation.panel.panel_result": "TrustReport",
    "ferviz.faces.detectors.detector": "Detector",
    "ferviz.faces.detectors.registry": "detectors",
    "ferviz.faces.face": "Face",
    "ferviz.faces.find": "find_faces",
    "ferviz.images": "read_image",
    "ferviz.models.architectures": "architectures",
    "ferviz.models.compiled.compile": "compile_model",
    "ferviz.models.compiled.file": "CompiledModel",
    "ferviz.models.diagram": "Diagram diagram",
    "ferviz.models.input_spec": "InputSpec",
    "ferviz.models.load": "load_model",
    "ferviz.models.model": "Model",
    "ferviz.models.prediction": "Prediction Predictions",
    "ferviz.reports.network_report": "report",
    "ferviz.scale": "scale",
    "ferviz.studies.registry": "study",
    "ferviz.studies.study": "Study",
    "ferviz.training.config": "Augmentation TrainConfig",
    "ferviz.training.explainer.teach": "TeachConfig Teaching TeachingProgress teach",
    "ferviz.training.train": "TrainingProgress TrainingRun train",
    "ferviz.video.analyze": "analyze_video",
    "ferviz.video.pipeline": "AnalysisOptions",
    "ferviz.video.result": "VideoSummary",
    "ferviz.web.notebook.face_canvas": "FaceCanvas canvas",
}
_HOME = {name: module for module, names in _ADDRESSES.items() for name in names.split()}

__all__ = [
    "Activations",
    "AnalysisOptions",
    "AttributionJob",
    "AuditResult",
    "Augmentation",
    "CheckResult",
    "CompiledModel",
    "DataError",
    "DataSummary",
    "Dataset",
    "Detector",
    "Diagram",
    "Dream",
    "DreamConfig",
    "Evaluation",
    "Explanation",
    "ExplanationComparison",
    "Face",
    "FaceCanvas",
    "FervizError",
    "Filters",
    "InputSpec",
    "LabelScheme",
    "LayerInfo",
    "Model",
    "ModelComparison",
    "ModelError",
    "NoFaceError",
    "Objective",
    "Octaves",
    "OutputError",
    "OutputExistsError",
    "PictureError",
    "Prediction",
    "Predictions",
    "Study",
    "TeachConfig",
    "Teaching",
    "TeachingProgress",
    "TrainConfig",
    "TrainingProgress",
    "TrainingRun",
    "TrustReport",
    "UnknownNameError",
    "UntrustedModelError",
    "UsageError",
    "VideoSummary",
    "activations",
    "analyze_video",
    "architectures",
    "audit",
    "canvas",
    "check",
    "compare_explanations",
    "compare_models",
    "compile_model",
    "describe_data",
    "detectors",
    "diagram",
    "dream",
    "evaluate",
    "explain",
    "explain_dataset",
    "filters",
    "find_faces",
    "label_scheme",
    "label_schemes",
    "load_model",
    "methods",
    "objectives",
    "read_data",
    "read_image",
    "read_record",
    "readers",
    "register",
    "report",
    "scale",
    "study",
    "teach",
    "train",
    "trust_report",
]

if TYPE_CHECKING:
    __version__: str

if not TYPE_CHECKING:  # a type checker shall miss a misspelt name

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            globals()[name] = _version()
            return globals()[name]
        if name not in _HOME:
            raise AttributeError(f"module 'ferviz' has no attribute {name!r}")
        module = importlib.import_module(_HOME[name])
        value = module if _HOME[name] == f"ferviz.{name}" else getattr(module, name)
        globals()[name] = value
        return value


def _version() -> str:
    from importlib import metadata  # takes longer than everything else here

    try:
        return metadata.version("ferviz")
    except metadata.PackageNotFoundError:  # a source tree that was never installed
        return "0+unknown"


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
