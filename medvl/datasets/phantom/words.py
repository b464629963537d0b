"""The phrases that the phantom's reports are put together from.

An indication tells the clinical context and nothing that is seen: no label's word, no side.
"""

from __future__ import annotations

REASONS = {
    "infection": (
        "fever and productive cough", "fever and chills", "cough with purulent sputum", "rigors and high temperature",
        "leukocytosis and malaise", "suspected sepsis", "cough for one week, now fever", "neutropenic fever",
        "elevated white count and cough", "sore throat, cough and fever",
    ),
    "surgery": (
        "status post laparotomy", "postoperative day two after hip replacement", "recent abdominal surgery",
        "postoperative after bowel resection", "bed rest after spinal surgery", "status post colectomy",
        "recent anesthesia with poor inspiratory effort", "postoperative check", "status post cholecystectomy",
        "immobilization after knee surgery",
    ),
    "heart": (
        "orthopnea and leg swelling", "known heart failure", "history of myocardial infarction",
        "missed dialysis session", "elevated bnp", "rapid atrial fibrillation", "heart failure with weight gain",
        "aortic stenosis with exertional breathlessness", "hypertensive crisis", "orthopnea, three pillows at night",
    ),
    "malignancy": (
        "weight loss and hemoptysis", "heavy smoking and hoarseness", "history of breast cancer",
        "melanoma, staging", "night sweats and weight loss", "smoking, 40 pack-years", "colon cancer, restaging",
        "lymphoma under treatment", "smoking and finger clubbing", "history of renal cancer",
    ),
    "injury": (
        "motor vehicle collision", "fall from a ladder", "loss of consciousness, found down", "blunt trauma",
        "near drowning", "seizure with vomiting", "bicycle accident, trauma", "smoke inhalation in a house fire",
        "choking on food and vomiting", "fall down stairs",
    ),
}  # fmt: skip

COMPLAINTS = ("shortness of breath", "chest pain", "hypoxia", "weakness", "tachycardia", "low oxygen saturation")
ASKS = (
    "Evaluate for acute process.", "Interval change?", "Please assess.", "Evaluate for acute cardiopulmonary disease.",
    "Acute process?", "Baseline.",
)  # fmt: skip

FIRST_STUDY = ("None.", "None available.", "No prior studies for comparison.")
LATER_STUDY = ("Chest radiograph from {days} days ago.", "Radiograph {days} days earlier.", "Prior study, {days} days.")

# Label -> what an opacity of this cause is called.
CAUSES = {
    "Pneumonia": ("pneumonia", "bronchopneumonia", "an infectious pneumonia"),
    "Atelectasis": ("atelectasis", "atelectatic change", "segmental atelectasis"),
    "Consolidation": ("consolidation", "airspace consolidation", "alveolar consolidation"),
    "Lung Lesion": ("a mass", "a pulmonary mass", "a nodular lesion"),
    "Edema": ("pulmonary edema", "edema", "interstitial edema"),
}

FOCAL = (
    "There is a {size} opacity in the {place}{change}, {sure} {cause}.",
    "A {size} focal opacity projects over the {place}{change}, {sure} {cause}.",
    "{Size} opacity in the {place}{change}, {sure} {cause}.",
)
DIFFUSE = (
    "{Grade} bilateral perihilar opacities{change}, {sure} {cause}.",
    "There are {grade} hazy opacities in both lungs{change}, {sure} {cause}.",
    "{Grade} diffuse opacification of both lungs{change}, {sure} {cause}.",
)
SURE = ("consistent with", "compatible with", "most likely", "in keeping with")
UNSURE = ("which may reflect", "possibly", "questionable for", "which could represent")
EFFUSION = (
    "There is a {size} {side} pleural effusion{change}.",
    "{Size} {side} pleural effusion{change}.",
    "Blunting of the costophrenic angle by a {size} {side} pleural effusion{change}.",
)
EFFUSIONS = (
    "There are {size} bilateral pleural effusions{change}.",
    "{Size} pleural effusions on both sides{change}.",
)
PNEUMOTHORAX = (
    "There is a {size} {side} pneumothorax{change}.",
    "{Size} {side} apical pneumothorax{change}.",
    "Visible {side} pleural edge with a {size} pneumothorax{change}.",
)
HEART = (
    "The heart is {grade}ly enlarged{change}.",
    "{Grade} cardiomegaly{change}.",
    "There is {grade} cardiomegaly{change}.",
    "{Grade} enlargement of the cardiac silhouette{change}.",
)
HEDGED = {
    "Pleural Effusion": ("Possible trace pleural effusion.", "A trace pleural effusion cannot be excluded."),
    "Pneumothorax": ("Possible tiny pneumothorax.", "A tiny pneumothorax cannot be excluded."),
    "Cardiomegaly": ("Possible borderline cardiomegaly.", "The heart is possibly mildly enlarged."),
}
DEVICES = {
    "tube": ("Endotracheal tube terminates above the carina.", "An endotracheal tube is in place."),
    "line": ("Central venous line ends in the superior vena cava.", "A central line is in place."),
    "pacemaker": ("Left-sided pacemaker with a single lead.", "A pacemaker projects over the left chest."),
}

# What is said of a label that is absent, where the report mentions it at all.
NEGATIVE = {
    "Cardiomegaly": ("The heart is normal in size.", "Heart size is normal.", "No cardiomegaly."),
    "Lung Lesion": ("No pulmonary mass.", "No suspicious nodule or mass."),
    "Edema": ("No pulmonary edema.", "There is no edema."),
    "Consolidation": ("No focal consolidation.", "There is no consolidation."),
    "Pneumonia": ("No evidence of pneumonia.", "No pneumonia."),
    "Atelectasis": ("No atelectasis.", "There is no atelectasis."),
    "Pneumothorax": ("No pneumothorax.", "There is no pneumothorax.", "No pneumothorax is seen."),
    "Pleural Effusion": ("No pleural effusion.", "There is no pleural effusion.", "No effusion."),
    "Support Devices": ("No lines or tubes.",),
}
MENTIONED = {
    "Cardiomegaly": 0.7, "Lung Lesion": 0.15, "Edema": 0.4, "Consolidation": 0.5, "Pneumonia": 0.35,
    "Atelectasis": 0.1, "Pneumothorax": 0.75, "Pleural Effusion": 0.75, "Support Devices": 0.08,
}  # fmt: skip

REMARKS = (
    "Lung volumes are normal.", "The mediastinal contours are unremarkable.", "Bony structures are intact.",
    "Degenerative changes of the spine.", "The upper abdomen is unremarkable.", "The patient is slightly rotated.",
)  # fmt: skip
CLEAR = ("The lungs are clear.", "Lungs are clear bilaterally.", "The lungs are well aerated and clear.")
NORMAL = ("No acute cardiopulmonary process.", "Normal chest radiograph.", "No acute cardiopulmonary abnormality.")
