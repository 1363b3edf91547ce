"""Analyzing frames: clips with known contents, and heatmaps of the same faces."""

from __future__ import annotations

import numpy as np
import pytest

from ferviz.errors import UsageError
from ferviz.models.load import load_model
from ferviz.video.pipeline import AnalysisOptions, FrameAnalyzer
from ferviz.video.reading import Video


def test_a_clip_is_followed(clip, squares, colours) -> None:
    analyzer = FrameAnalyzer(colours, AnalysisOptions(detector=squares, half_life=0.1))
    with Video(clip(24)) as video:
        results = list(analyzer.run(video.frames()))
    walking = [face for result in results for face in result.faces if face.face.box[1] < 40]
    standing = [face for result in results for face in result.faces if face.face.box[1] > 60]
    assert len({one.track for one in walking}) == len({one.track for one in standing}) == 1
    assert {one.label for one in standing} == {"angry"}
    alone = [one.prediction.label for one in walking]
    assert alone == ["sad"] * 12 + ["happy"] * 12
    calm = [one.label for one in walking]
    assert calm[:12] == ["sad"] * 12
    assert calm[12] == "sad"  # the change comes a half-life late: 0.1 seconds are two frames
    assert calm[15:] == ["happy"] * 9
    left = [one.face.box[0] for one in walking]
    assert np.abs(np.diff(left) - 3).max() <= 2


def test_only_every_nth_frame_is_looked_at_and_all_are_given(clip, squares, colours) -> None:
    analyzer = FrameAnalyzer(colours, AnalysisOptions(detector=squares))
    with Video(clip(10)) as video:
        results = list(analyzer.run(video.frames(), every=4))
    assert [result.analyzed for result in results] == [True, False, False, False] * 2 + [True, False]
    assert results[3].faces == results[0].faces
    with pytest.raises(UsageError, match="every"):
        list(analyzer.run([results[0].frame], 0))


def test_heatmaps_come_with_the_predictions_of_the_same_faces(clip, squares) -> None:
    model = load_model()
    analyzer = FrameAnalyzer(model, AnalysisOptions(detector=squares, method="gradcam", half_life=0))
    with Video(clip(3)) as video:
        for frame in video.frames():
            faces = analyzer.analyze(frame)
            assert [face.track for face in faces] == [1, 2]
            alone = model.predict([face.face for face in faces])
            for face, other in zip(faces, alone, strict=True):
                assert face.heatmap is not None
                assert face.heatmap.shape == model.input.size
                assert face.vmax >= float(face.heatmap.max())
                assert face.prediction.label == other.label
                np.testing.assert_allclose(list(face.smoothed.values()), list(other.probabilities.values()), atol=1e-4)
    with pytest.raises(UsageError, match="'all'"), Video(clip(3)) as video:
        FrameAnalyzer(model, AnalysisOptions(detector=squares, method="gradcam", target="all")).analyze(
            next(video.frames())
        )


def test_another_method_begins_a_colour_scale_of_its_own(clip, squares) -> None:
    model = load_model()
    analyzer = FrameAnalyzer(model, AnalysisOptions(detector=squares, method="eigencam", half_life=0))
    with Video(clip(3)) as video:
        frames = list(video.frames())
    first = analyzer.analyze(frames[0])
    analyzer.set_attribution("gradcam", "happy-sad")
    second = analyzer.analyze(frames[1])
    fresh = FrameAnalyzer(model, AnalysisOptions(detector=squares, method="gradcam", target="happy-sad")).analyze(
        frames[1]
    )
    for old, new, alone in zip(first, second, fresh, strict=True):
        assert new.track == old.track
        assert new.vmax == pytest.approx(alone.vmax)
    assert any(new.vmax < 0.5 * old.vmax for old, new in zip(first, second, strict=True))
