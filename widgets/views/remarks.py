"""What there is to say of a report as a whole: guidelines that its figures give reason for, then its own notes."""

from __future__ import annotations

from workbench.names import sentence
from workbench.report.advice import advice
from workbench.report.report import Report


def remarks(report: Report) -> list[dict[str, str]]:
    """[{"text", "why"}], the most surprising first. why: a guideline's figures and source, "" of a note."""
    guidelines = [{"text": one.sentence, "why": f"{one.evidence} Source: {one.source}."} for one in advice(report)]
    return [*guidelines, *({"text": note, "why": ""} for note in report.notes)]


def advised(report: Report) -> list[dict[str, str]]:
    """The guidelines alone: sentence, evidence, source ("GU-08: Goel et al. 2020"), in the same order."""
    return [
        {"sentence": sentence(one.sentence), "evidence": one.evidence, "source": f"{one.number}: {one.source}"}
        for one in advice(report)
    ]
