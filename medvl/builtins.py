"""The core's own components, named through the same hook as any plugin's."""

from __future__ import annotations

from medvl.hookspecs import hookimpl
from medvl.registry import Registry


@hookimpl
def medvl_register(registry: Registry) -> None:
    """Everything that no single paper owns."""
    registry.register_dataset("phantom", "medvl.datasets.phantom.dataset:Phantom")
    registry.register_dataset("folder", "medvl.datasets.folder.dataset:Folder")
    registry.register_dataset("openi", "medvl.datasets.openi.dataset:Openi")
    registry.register_dataset("vqa_rad", "medvl.datasets.vqa_rad.dataset:VqaRad")
    registry.register_dataset("rsna_pneumonia", "medvl.datasets.rsna_pneumonia.dataset:RsnaPneumonia")
    registry.register_dataset("siim_acr", "medvl.datasets.siim_acr:SiimAcr")
    registry.register_dataset("shenzhen", "medvl.datasets.tuberculosis.shenzhen:Shenzhen")
    registry.register_dataset("montgomery", "medvl.datasets.tuberculosis.montgomery:Montgomery")
    registry.register_dataset(
        "covid19_image_collection", "medvl.datasets.covid19_image_collection.dataset:Covid19ImageCollection"
    )
    registry.register_dataset("mimic_cxr", "medvl.datasets.mimic_cxr.dataset:MimicCxr")
    registry.register_dataset("chexpert", "medvl.datasets.chexpert.dataset:CheXpert")
    registry.register_dataset("nih14", "medvl.datasets.nih14.dataset:NIH14")

    registry.register_view("cxr_moco", "medvl.data.views.moco_cxr:CxrMoco")
    registry.register_view("cxr_finetune", "medvl.data.views.finetune:CxrFinetune")
    registry.register_view("plain", "medvl.data.views.plain:Plain")
    registry.register_view("cxr_medvill", "medvl.data.views.medvill:CxrMedvill")
    registry.register_view("cxr_mmbt", "medvl.data.views.mmbt:CxrMmbt")
    registry.register_view("cxr_mrm", "medvl.data.views.mrm:CxrMrm")
    registry.register_view("cxr_mrm_finetune", "medvl.data.views.mrm:CxrMrmFinetune")
    registry.register_view("cxr_slip", "medvl.data.views.slip:CxrSlip")
    registry.register_view("cxr_slip_ssl", "medvl.data.views.slip:CxrSlipSsl")

    registry.register_encoder("timm", "medvl.models.timm_encoder:TimmEncoder")
    registry.register_encoder("bert", "medvl.models.bert_encoder:BertEncoder")
    registry.register_encoder("gru", "medvl.models.gru_encoder:GruEncoder")

    registry.register_fusion("concat", "medvl.models.late_fusion:Concat")
    registry.register_fusion("image_only", "medvl.models.late_fusion:ImageOnly")
    registry.register_fusion("text_only", "medvl.models.late_fusion:TextOnly")
    registry.register_fusion("language_model", "medvl.models.language_model:LanguageModel")

    registry.register_decoder("linear", "medvl.models.decoders.linear:Linear")
    registry.register_decoder("fcn", "medvl.models.decoders.fcn:Fcn")
    registry.register_decoder("fpn", "medvl.models.decoders.fpn:Fpn")
    registry.register_decoder("mirror", "medvl.models.decoders.mirror:Mirror")
    registry.register_decoder("upernet", "medvl.models.decoders.upernet:UperNet")

    registry.register_mask("bidirectional", "medvl.models.masks.schemes:bidirectional")
    registry.register_mask("seq2seq", "medvl.models.masks.schemes:seq2seq")
    registry.register_mask("bar", "medvl.models.masks.schemes:bar")
    registry.register_mask("non_crossing", "medvl.models.masks.schemes:NonCrossing")
    registry.register_mask("mixed", "medvl.models.masks.mixed:Mixed")

    registry.register_loss("bce", "medvl.losses.bce:BinaryCrossEntropy")
    registry.register_loss("three_class", "medvl.losses.three_class:ThreeClass")
    registry.register_loss("focal_dice", "medvl.losses.focal_dice:FocalDice")
    registry.register_loss("info_nce", "medvl.losses.info_nce:InfoNCE")
    registry.register_loss("clip", "medvl.losses.clip:CLIPLoss")
    registry.register_loss("nt_xent", "medvl.losses.nt_xent:NTXent")
    registry.register_loss("vicreg", "medvl.losses.vicreg:VICReg")

    registry.register_objective("multilabel", "medvl.objectives.multilabel:Multilabel")
    registry.register_objective("autoencoder", "medvl.objectives.autoencoder:Autoencoder")
    registry.register_objective("segmentation", "medvl.objectives.segmentation:Segmentation")
    registry.register_objective("total", "medvl.objectives.total:Total")
    registry.register_objective("zero_shot", "medvl.objectives.zero_shot:ZeroShot")
    registry.register_objective("one_pass", "medvl.objectives.one_pass:OnePass")
    registry.register_objective("mlm", "medvl.objectives.masked_language:MaskedLanguageModelling")
    registry.register_objective("report_generation", "medvl.objectives.report_generation:ReportGeneration")
    registry.register_objective("report_matching", "medvl.objectives.report_matching:ReportMatching")
    registry.register_objective("vqa", "medvl.objectives.question_answering:QuestionAnswering")

    registry.register_evaluator("multilabel", "medvl.evaluate.multilabel:Multilabel")
    registry.register_evaluator("segmentation", "medvl.evaluate.segmentation:Segmentation")
    registry.register_evaluator("retrieval", "medvl.evaluate.retrieval:Retrieval")
    registry.register_evaluator("vqa", "medvl.evaluate.question_answering:QuestionAnswering")
    registry.register_evaluator("generation", "medvl.evaluate.generation:Generation")
    registry.register_evaluator("grounding", "medvl.evaluate.grounding:Grounding")
    registry.register_evaluator("perplexity", "medvl.evaluate.perplexity:Perplexity")

    registry.register_labeler("rules", "medvl.labelers.rules:Rules")
    registry.register_labeler("table", "medvl.labelers.table:Table")

    registry.register_optimizer("adamw", "medvl.engine.optimizers:adamw")
    registry.register_optimizer("adam", "medvl.engine.optimizers:adam")
    registry.register_optimizer("sgd", "medvl.engine.optimizers:sgd")

    registry.register_schedule("constant", "medvl.engine.schedules:constant")
    registry.register_schedule("linear", "medvl.engine.schedules:linear")
    registry.register_schedule("cosine", "medvl.engine.schedules:cosine")
    registry.register_schedule("poly", "medvl.engine.schedules:poly")
    registry.register_schedule("milestones", "medvl.engine.schedules:milestones")
