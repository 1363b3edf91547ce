"""Records of pictures, videos and faces as plain lines for a terminal."""

from __future__ import annotations

from typing import Any

from ferviz.printable import printable

MAX_CHANGES = 8
"""Changes of a track that are printed; --json lists all of them."""


def plain_lines(record: dict[str, Any]) -> list[str]:
    """Return a picture's record as lines to read: one for each face, with its two likeliest classes and its box.

    Args:
        record: the record, as `picture_record` returns it.
    """
    lines = []
    for face in record["faces"]:
        p, label, second = face["probabilities"], face["label"], face["second"]
        also = f", {second} {p[second]:.2f}" if second else ""
        where = f"  at {face['box'][0]},{face['box'][1]} to {face['box'][2]},{face['box'][3]}" if face["box"] else ""
        lines.append(f"{printable(record['source'])}: {label} {p[label]:.2f}{also}{where}")
    return lines


def track_lines(record: dict[str, Any]) -> list[str]:
    """Return a video's record as lines to read: one for each face, with its emotions' shares of the time and where they change.

    Args:
        record: the record, as `VideoSummary.to_dict` returns it. Tracks that are doubtful for one reason share a line.
    """
    name = printable(record["source"])
    lines = [f"{name}: {_track_line(track)}" for track in record["tracks"] if not track["doubt"]]
    doubtful: dict[str, list[str]] = {}
    for track in record["tracks"]:
        if track["doubt"]:
            doubtful.setdefault(track["doubt"], []).append(f"#{track['track']}")
    return lines + [
        f"{name}: {', '.join(tracks)} doubtful, left out of the timeline: {reason}"
        for reason, tracks in doubtful.items()
    ]


def _track_line(track: dict[str, Any]) -> str:
    """-> "#1 (0.0 to 4.6 s) happy 93 %, sad 7 %; sad from 0.9 s, happy from 1.4 s"."""
    shares = sorted(track["shares"].items(), key=lambda pair: -pair[1])
    emotions = ", ".join(f"{label} {share:.0%}" for label, share in shares if share >= 0.005)
    changes = [f"{change['label']} from {change['time']:.1f} s" for change in track["changes"]]
    if len(changes) > MAX_CHANGES:
        changes[MAX_CHANGES:] = [f"{len(changes) - MAX_CHANGES} more changes"]
    behind = f"; {', '.join(changes)}" if changes else ""
    return f"#{track['track']} ({track['from']:.1f} to {track['to']:.1f} s) {emotions}{behind}"
