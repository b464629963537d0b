"""The phrases by which chest radiograph reports name CheXpert's findings, in lower case.

A *finding* is abnormal by its name; it is there unless a cue (`medvl.labelers.cues`) denies or doubts it. A *structure*
is always there, and names a finding only where a cue says that it is normal or abnormal. What is *ignored* holds a
phrase that means something else ("pericardial effusion"). Of phrases that overlap the longest counts.
"""

from __future__ import annotations

FINDINGS: dict[str, tuple[str, ...]] = {
    "Enlarged Cardiomediastinum": (
        "mediastinal widening", "widening of the mediastinum", "widened mediastinum", "mediastinal enlargement",
        "cardiomediastinal enlargement", "enlarged cardiomediastinum", "enlarged mediastinum", "mediastinal prominence",
        "prominent mediastinum", "enlarged cardiomediastinal silhouette", "prominent cardiomediastinal silhouette",
    ),
    "Cardiomegaly": (
        "cardiomegaly", "cardiac enlargement", "heart enlargement", "enlarged heart", "enlargement of the heart",
        "enlargement of the cardiac silhouette", "enlarged cardiac silhouette", "prominent cardiac silhouette",
        "enlarged cardiac contour", "enlarged cardiac shadow",
    ),
    "Lung Opacity": (
        "opacity", "opacities", "opacification", "opacifications", "infiltrate", "infiltrates", "infiltration",
        "infiltrations", "airspace disease", "air space disease", "airspace opacity", "airspace opacities",
        "airspace process", "interstitial markings", "interstitial lung markings", "interstitial thickening",
        "interstitial prominence", "interstitial abnormality", "interstitial disease", "interstitial lung disease",
        "interstitial process", "interstitial pattern", "interstitial changes", "reticular markings", "reticulation",
        "density", "densities", "haziness",
    ),
    "Lung Lesion": (
        "mass", "masses", "nodule", "nodules", "nodular lesion", "nodular lesions", "mass lesion", "lung lesion",
        "lung lesions", "pulmonary lesion", "pulmonary lesions", "cavitary lesion", "cavitary lesions", "neoplasm",
        "neoplasms", "tumor", "tumors", "carcinoma", "malignancy", "metastasis", "metastases", "metastatic disease",
        "lung cancer", "nodularity",
    ),
    "Edema": (
        "edema", "vascular congestion", "pulmonary congestion", "venous congestion", "congestion",
        "vascular engorgement", "pulmonary venous hypertension", "fluid overload", "volume overload",
        "vascular redistribution", "cephalization", "congestive changes", "kerley lines", "kerley b lines",
    ),
    "Consolidation": ("consolidation", "consolidations", "consolidative opacity", "consolidative opacities",
                      "consolidative change", "consolidative changes", "consolidative process"),
    "Pneumonia": ("pneumonia", "pneumonias", "bronchopneumonia", "infection", "infectious process",
                  "infectious infiltrate", "infectious etiology", "infectious disease", "pneumonic infiltrate"),
    "Atelectasis": ("atelectasis", "atelectases", "atelectatic change", "atelectatic changes", "atelectatic",
                    "collapse", "volume loss"),
    "Pneumothorax": ("pneumothorax", "pneumothoraces", "pneumothoraxes", "ptx"),
    "Pleural Effusion": ("effusion", "effusions", "pleural effusion", "pleural effusions", "pleural fluid",
                         "hemothorax", "hydrothorax", "fluid in the fissure"),
    "Pleural Other": ("pleural thickening", "pleural scarring", "pleural scar", "pleural plaque", "pleural plaques",
                      "pleural calcification", "pleural calcifications", "fibrothorax", "pleural fibrosis",
                      "pleuroparenchymal scarring", "pleural parenchymal scarring", "apical capping", "pleural disease",
                      "pleural abnormality"),
    "Fracture": ("fracture", "fractures", "fractured"),
    "Support Devices": (
        "tube", "tubes", "lines or tubes", "lines and tubes", "catheter", "catheters", "central line",
        "central lines", "central venous line", "picc", "picc line", "subclavian line", "jugular line", "venous line",
        "arterial line", "port", "port-a-cath", "portacath", "mediport", "infusion port", "pacemaker", "pacemakers",
        "pacer", "pacer leads", "pacer wires", "pacing leads", "pacing wires", "pacing device", "icd", "aicd",
        "defibrillator", "generator pack", "tracheostomy", "stent", "stents", "valve replacement", "prosthetic valve",
        "valve prosthesis", "support devices", "monitor leads", "monitoring leads", "ecg leads", "ekg leads",
        "medical device", "medical devices", "device", "devices", "hardware", "balloon pump", "drain", "drains",
        "nerve stimulator", "stimulator", "swan-ganz", "swan ganz", "dobbhoff",
    ),
}  # fmt: skip

# One phrase, several findings. Heart failure also makes a large heart possible (see HEART_FAILURE).
SEVERAL: dict[str, tuple[str, ...]] = {
    "hydropneumothorax": ("Pneumothorax", "Pleural Effusion"),
    "hydropneumothoraces": ("Pneumothorax", "Pleural Effusion"),
    "hemopneumothorax": ("Pneumothorax", "Pleural Effusion"),
    "nodular opacity": ("Lung Lesion", "Lung Opacity"),
    "nodular opacities": ("Lung Lesion", "Lung Opacity"),
    "nodular density": ("Lung Lesion", "Lung Opacity"),
    "nodular densities": ("Lung Lesion", "Lung Opacity"),
    "heart failure": ("Edema",),
    "cardiac failure": ("Edema",),
    "chf": ("Edema",),
    "cardiac decompensation": ("Edema",),
}
HEART_FAILURE = ("heart failure", "cardiac failure", "chf", "cardiac decompensation")

STRUCTURES: dict[str, tuple[str, ...]] = {
    "Cardiomegaly": (
        "heart", "heart size", "size of the heart", "heart shadow", "heart contour", "cardiac silhouette",
        "cardiac silhouettes", "cardiac size", "cardiac shadow", "cardiac contour", "cardiac contours",
        "cardiac silhouette size", "size of the cardiac silhouette", "heart silhouette",
    ),
    "Enlarged Cardiomediastinum": (
        "mediastinum", "mediastinal contour", "mediastinal contours", "mediastinal silhouette",
        "mediastinal silhouettes", "mediastinal size", "mediastinum size", "mediastinal width",
        "mediastinal structures", "mediastinal shadow", "cardiomediastinal silhouette",
        "cardiomediastinal silhouettes", "cardiomediastinal contour", "cardiomediastinal contours",
        "cardiomediastinal size", "cardiomediastinal shadow", "cardiomediastinum", "cardiomediastinal structures",
    ),
}  # fmt: skip
SEVERAL_STRUCTURES: dict[str, tuple[str, ...]] = {
    f"{first} and {second} {what}": ("Cardiomegaly", "Enlarged Cardiomediastinum")
    for first, second in (("cardiac", "mediastinal"), ("heart", "mediastinal"), ("cardio", "mediastinal"))
    for what in ("silhouette", "silhouettes", "contour", "contours", "structures", "shadows", "size")
}

IGNORED = (
    "heart border", "heart borders", "heart disease", "heart valve", "open heart surgery", "heart rate",
    "pericardial effusion", "pericardial effusions", "joint effusion", "soft tissue edema", "peripheral edema",
    "leg edema", "vertebral collapse", "collapse of the vertebral body", "vertebral body collapse", "body mass",
    "muscle mass", "mass effect", "bone density", "bony density", "bone infection", "granulomatous infection",
    "granulomatous infections", "mediastinal mass", "soft tissue mass", "breast mass", "bowel infiltration",
    "anterior mediastinum", "tube feeding", "nipple shadow", "spinal hardware", "orthopedic hardware",
    "heart transplant", "nodular thyroid", "thyroid nodule", "bone densities", "bony densities", "calcific density",
    "calcified density", "soft tissue density", "tube current",
)  # fmt: skip
