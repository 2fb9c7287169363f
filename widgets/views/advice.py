"""Guidelines of the surveys that a report gives reason for, each with the figures that it rests on."""

from __future__ import annotations

from workbench.names import sentence
from workbench.report.advice import advice
from workbench.report.report import Report


def advised(report: Report) -> list[dict[str, str]]:
    """sentence, evidence, source ("GU-08: Goel et al. 2020"); the most surprising first."""
    return [
        {"sentence": sentence(one.sentence), "evidence": one.evidence, "source": f"{one.number}: {one.source}"}
        for one in advice(report)
    ]
