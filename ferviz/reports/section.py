"""An answer of a report: a section for people, the numbers for programs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from ferviz.documents.parts import PageSection
from ferviz.manifests import to_json


@dataclass(frozen=True)
class Answer:
    """One section of a report.

    Attributes:
        section: what people read.
        record: the numbers as plain data.
        finding: one sentence for the head of the report, or "".
    """

    section: PageSection
    record: dict[str, Any] = field(repr=False)
    finding: str = ""

    def to_text(self, fingerprint: str) -> str:
        """Return the answer as JSON.

        Args:
            fingerprint: of the question that it answers.
        """
        answer = {"section": self.section.to_dict(), "record": self.record, "finding": self.finding}
        return to_json({"fingerprint": fingerprint, **answer})

    @classmethod
    def from_text(cls, text: str, fingerprint: str) -> Answer | None:
        """Return the answer of `to_text`, None where it answers another question or is damaged.

        Args:
            text: the JSON.
            fingerprint: of the question.
        """
        try:
            kept = json.loads(text)
            if kept["fingerprint"] != fingerprint:
                return None
            return cls(PageSection.from_dict(kept["section"]), kept["record"], kept["finding"])
        except (ValueError, KeyError, TypeError):
            return None
