"""The words around a phrase that deny or doubt it, or call a structure normal or abnormal, in lower case.

The rules are those of ConText (Chapman et al., 2007; Harkema et al., 2009): a cue in front of or behind a phrase
reaches it within the sentence, unless a terminating word stands between them; a pseudo-cue holds a cue's words and
says something else. Cues in front and behind are separate rules, since a comma ends the reach of the second alone
("no effusion, mass or nodule", "a small effusion, pneumothorax is not seen").
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CueRule:
    """Cues of one meaning: in front of a phrase, behind it, what only looks like one, and what ends their reach."""

    before: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    pseudo: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()


# Doubts that hold a word of denial.
_NOT_EXCLUDED = (
    "cannot exclude", "cannot entirely exclude", "cannot completely exclude", "can not exclude", "cannot rule out",
    "cannot be excluded", "cannot be entirely excluded", "cannot be completely excluded", "can not be excluded",
    "cannot be ruled out", "can not be ruled out", "not excluded", "not entirely excluded", "not completely excluded",
    "not ruled out", "could not be excluded", "difficult to exclude",
)  # fmt: skip
_UNCHANGED = (
    "no change", "no significant change", "no interval change", "no significant interval change", "no increase",
    "no substantial change", "not changed", "not significantly changed", "not substantially changed", "without change",
    "without significant change", "without interval change", "no improvement", "no worsening", "not only",
    "not increased", "not improved", "not worsened", "not simply",
)  # fmt: skip
_WITHIN_A_DENIAL = ("consistent with", "compatible with", "associated with")  # "with" ends the reach of no denial here
_CLAUSES = (
    "but", "however", "although", "though", "except", "aside from", "apart from", "other than", "there is", "there are",
    "there has been", "whereas", "while", ";",
)  # fmt: skip
_SEPARATE = (*_CLAUSES, ",", "which", "with", "consistent with", "compatible with", "representing")

_NORMAL = (
    "normal", "unremarkable", "within normal limits", "within limits of normal", "not enlarged", "nonenlarged",
    "not widened", "negative", "appropriate", "upper limits of normal", "upper limit of normal", "limits normal",
)  # fmt: skip
_BORDERLINE = ("borderline", "borderline enlarged", "borderline large")
_LARGE = (
    "enlarged", "enlargement", "prominent", "widened", "large", "big", "dilated", "increased in size", "generous",
    "magnified",
)  # fmt: skip

DENIED_BEFORE = CueRule(
    before=(
        "no", "not", "without", "negative for", "free of", "clear of", "absence of", "absent", "lack of", "neither",
        "nor", "never", "resolution of", "resolved", "removal of", "removed", "rather than", "exclude", "excludes",
        "rules out", "ruled out", "non",
    ),
    pseudo=(*_NOT_EXCLUDED, *_UNCHANGED, "no definite change", *_WITHIN_A_DENIAL),
    ends=(*_CLAUSES, "with", "has developed", "stable", "unchanged", "persistent"),
)  # fmt: skip
DENIED_BEHIND = CueRule(
    behind=(
        "not seen", "not identified", "not present", "not evident", "not visualized", "not demonstrated",
        "not detected", "not appreciated", "not observed", "not apparent", "no longer seen", "no longer present",
        "no longer identified", "no longer visualized", "has resolved", "have resolved", "resolved", "has cleared",
        "have cleared", "is absent", "are absent", "unlikely", "excluded", "ruled out", "removed", "is negative",
        "are negative", "not definitely seen", "not clearly seen", "not clearly identified",
        "within normal limits", "within limits of normal",
    ),
    pseudo=_NOT_EXCLUDED,
    ends=_SEPARATE,
)  # fmt: skip
DOUBTED_BEFORE = CueRule(
    before=(
        "possible", "possibly", "possibility of", "probable", "probably", "may", "might", "could", "questionable",
        "question", "question of", "suspected", "suspicious for", "suspicion for", "suspicion of", "concerning for",
        "concern for", "worrisome for", "versus", "vs", "differential", "equivocal", "borderline", "perhaps",
        "suggest", "suggests", "suggesting", "suggestive of", "uncertain", "potentially", "potential",
        "appears to represent", "presumably", "presumed", "evaluate for", "assess for", "correlate for",
        "correlation for", "suspect", "if there is", *_NOT_EXCLUDED, *_BORDERLINE,
    ),
    pseudo=("could not be identified", "no suspicious", "to suggest"),
    ends=_CLAUSES,
)  # fmt: skip
DOUBTED_BEHIND = CueRule(
    behind=(
        "is possible", "are possible", "also possible", "is questionable", "is suspected", "is questioned",
        "is not certain", "is a consideration", "should be considered", "in the differential", "is a possibility",
        "may be present", "could be present", "might be present", "versus", "vs", *_NOT_EXCLUDED, *_BORDERLINE,
    ),
    ends=_SEPARATE,
)  # fmt: skip
# What denies or doubts that a structure is abnormal may stand between the two: "the heart is possibly enlarged".
DENIED_SIZE = CueRule(
    before=("no", "not", "without"), behind=("no", "not", "without"), pseudo=_UNCHANGED, ends=_SEPARATE
)
DOUBTED_SIZE = CueRule(before=DOUBTED_BEFORE.before, behind=DOUBTED_BEFORE.before, ends=_SEPARATE)
NORMAL = CueRule(before=_NORMAL, behind=_NORMAL, ends=(*_CLAUSES, *_LARGE))
ABNORMAL = CueRule(
    before=(*_LARGE, *_BORDERLINE),
    behind=(*_LARGE, *_BORDERLINE),
    pseudo=("large hiatal hernia", "enlarged lymph nodes", "large lung volumes", "prominent pulmonary arteries",
            "enlarged pulmonary arteries", "large body habitus", "prominent aorta"),
    ends=(*_CLAUSES, ",", *_NORMAL),
)  # fmt: skip

# Which rules ask about findings, and which about structures.
FINDING_RULES = {
    "denied_before": DENIED_BEFORE, "denied_behind": DENIED_BEHIND,
    "doubted_before": DOUBTED_BEFORE, "doubted_behind": DOUBTED_BEHIND,
}  # fmt: skip
STRUCTURE_RULES = {
    "normal": NORMAL, "abnormal": ABNORMAL, "size_denied": DENIED_SIZE, "size_doubted": DOUBTED_SIZE,
}  # fmt: skip
