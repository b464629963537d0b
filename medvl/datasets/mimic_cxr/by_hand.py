"""What MIMIC-CXR's owner settled by hand: reports that no rule can divide, and radiographs whose view was looked at.

From MIT-LCP's MIMIC code: `custom_mimic_cxr_rules` of `txt/section_parser.py`, and the notebook
`notebooks/generate-stats-from-paper.ipynb`. Study and image numbers alone; no text of any report stands here.
"""

from __future__ import annotations

# study -> the section that holds what the radiologist concludes
CONCLUSION_SECTION = {
    "50913680": "recommendations",
    "59363654": "examination",
    "59279892": "technique",
    "59768032": "recommendations",
    "57936451": "indication",
    "50058765": "indication",
    "53356173": "examination",
    "53202765": "technique",
    "50808053": "technique",
    "51966317": "indication",
    "50743547": "examination",
    "56451190": "note",
    "59067458": "recommendations",
    "59215320": "examination",
    "55124749": "indication",
    "54365831": "indication",
    "59087630": "recommendations",
    "58157373": "recommendations",
    "56482935": "recommendations",
    "58375018": "recommendations",
    "54654948": "indication",
    "55157853": "examination",
    "51491012": "history",
}

# study -> first character of the conclusion in the report's text, and the one behind its last; 0, 0: it has none
CONCLUSION_RANGE = {
    "50525523": (201, 349),
    "57564132": (233, 554),
    "59982525": (313, 717),
    "53488209": (149, 475),
    "54875119": (234, 988),
    "50196495": (59, 399),
    "56579911": (59, 218),
    "52648681": (292, 631),
    "59889364": (172, 453),
    "53514462": (73, 377),
    "59505494": (59, 450),
    "53182247": (59, 412),
    "51410602": (47, 320),
    "56412866": (522, 822),
    "54986978": (59, 306),
    "59003148": (262, 505),
    "57150433": (61, 394),
    "56760320": (219, 457),
    "59562049": (158, 348),
    "52674888": (145, 296),
    "55258338": (192, 568),
    "59330497": (140, 655),
    "52119491": (179, 454),
    "58235663": (0, 0),
    "50798377": (0, 0),
    "54168089": (0, 0),
    "53071062": (0, 0),
    "56724958": (0, 0),
    "54231141": (0, 0),
    "53607029": (0, 0),
    "52035334": (0, 0),
}

# image -> its view; the last three are AP though their ViewPosition says otherwise
VIEWS = {
    "2164992c-f4abb30a-7aaaf4f4-383cab47-4e3eb1c8": "PA",
    "5e6881e2-ff4254e0-b99f0c2f-8964482a-031364db": "LL",
    "fcdf7a30-3236b74e-65b97587-cdd4cfde-63cd1de0": "PA",
    "fb074ec1-6715839c-84fa75e6-adc3f026-448b1481": "PA",
    "dfb8080a-8506e43e-840d9d58-0f738f41-82c120b0": "PA",
    "4b32608b-c2ead7c4-1fe5565f-42f7ab80-9dad30de": "LL",
    "53663e89-8f9ca9bb-df1bf434-8d6b1283-2b612609": "LL",
    "8672a4e7-366801a0-26cf2395-9344335c-aac8d728": "AP",
    "9800b28e-3ff3b417-18473be2-1a66131d-aca88488": "AP",
    "598cfe48-33a8643e-843e27e2-5dd584e7-3cd5f1c0": "AP",
}
