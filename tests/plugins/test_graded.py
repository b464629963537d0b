"""Every plugin of the house passes the suites that an outsider's would."""

from medvl.testkit import EncoderSuite, FusionSuite, ObjectiveSuite
from medvl.testkit.workbench import SIZE


class TestMoCo(ObjectiveSuite):
    name = "moco"
    parameters = {"queue_size": 10, "momentum": 0.9, "dim": 16}
    lowers = False  # its own keys become its negatives


class TestSymmetricMoCo(ObjectiveSuite):
    name = "moco"
    parameters = {"queue_size": 10, "momentum": 0.9, "dim": 16, "symmetric": True, "momentum_statistics": True}
    lowers = False


class TestCLIP(ObjectiveSuite):
    name = "clip"
    parameters = {"dim": 16}


class TestReleasedCLIP(ObjectiveSuite):
    name = "clip"
    parameters = {"dim": 16, "preset": "released"}


class TestConVIRT(ObjectiveSuite):
    name = "convirt"
    parameters = {"dim": 16}


class TestSimCLR(ObjectiveSuite):
    name = "simclr"
    parameters = {"hidden": 32, "dim": 16}


class TestVICReg(ObjectiveSuite):
    name = "vicreg"
    parameters = {"dim": 64}


class TestMultilabel(ObjectiveSuite):
    name = "multilabel"


class TestAutoencoder(ObjectiveSuite):
    name = "autoencoder"
    parameters = {"decoder": {"name": "mirror", "blocks": [1, 1, 1, 1], "stem": [8, 8]}}


class TestMaskedLanguageModelling(ObjectiveSuite):
    name = "mlm"
    parameters = {"probability": 0.5}
    lowers = False  # other words are hidden in every step


class TestMaskedLanguageModellingOfReportsAlone(ObjectiveSuite):
    name = "mlm"
    parameters = {"at_least_one": True}
    model = {"fusion": None, "image": None}
    lowers = False


class TestReportGeneration(ObjectiveSuite):
    name = "report_generation"
    parameters = {"masking": "every", "most": 5}
    model = {"fusion": {"name": "medvill"}}


class TestReportGenerationOfWordsAlone(ObjectiveSuite):
    name = "report_generation"
    parameters = {"search": "beam", "most": 5}
    model = {"fusion": {"name": "language_model"}, "image": None}
    lowers = False  # other words are hidden in every step


class TestReportMatching(ObjectiveSuite):
    name = "report_matching"
    model = {"fusion": {"name": "mmbt"}}
    lowers = False  # other pairs are wrong in every step


class TestOnePass(ObjectiveSuite):
    name = "one_pass"
    parameters = {"terms": {"matching": {"name": "report_matching"}, "words": {"name": "mlm"}}}
    model = {"fusion": {"name": "mmbt"}}
    lowers = False


class TestMMBT(FusionSuite):
    name = "mmbt"


class TestReleasedMMBT(FusionSuite):
    name = "mmbt"
    parameters = {"preset": "released"}


class TestAttentive(FusionSuite):
    name = "attentive"
    parameters = {"width": 32, "hidden": 16, "dropout": 0.0}
    model = {"text": {"name": "gru", "width": 16, "hidden": [8, 16], "vocab_size": 100}}


class TestReleasedAttentive(TestAttentive):
    parameters = {"preset": "released", "width": 32, "hidden": 16, "dropout": 0.0}


class TestMedViLL(FusionSuite):
    name = "medvill"


class TestReleasedMedViLL(FusionSuite):
    name = "medvill"
    parameters = {"preset": "released", "mask": "non_crossing"}


class TestTieNet(FusionSuite):
    name = "tienet"
    parameters = {"hidden": 24, "attention": 8, "saliency": 12}


class TestMedViLLPreTraining(ObjectiveSuite):
    name = "one_pass"
    parameters = {"terms": {"mlm": {"name": "mlm"}, "matching": {"name": "report_matching"}}}
    model = {
        "fusion": {
            "name": "medvill",
            "mask": {
                "name": "mixed",
                "schemes": {"causal": "seq2seq", "full": "bidirectional"},
                "probabilities": {"causal": 0.75, "full": 0.25},
            },
        }
    }
    lowers = False


class TestMRM(ObjectiveSuite):
    name = "mrm"
    parameters = {"decoder_depth": 1, "decoder_width": 24}
    model = {"image": {"name": "timm", "model": "test_vit"}}
    views = {"image": {"name": "cxr_mrm", "size": SIZE, "source": SIZE}}
    lowers = False  # other patches and words are hidden in every step


class TestReleasedMRM(TestMRM):
    parameters = {"preset": "released", "decoder_depth": 1, "decoder_width": 24, "pool": "max", "fuse_image": True}


class TestConcat(FusionSuite):
    name = "concat"
    parameters = {"width": 16}


class TestTimm(EncoderSuite):
    name = "timm"
    parameters = {"model": "test_vit"}


class TestBert(EncoderSuite):
    name = "bert"
    parameters = {"weights": "none", "layers": 1, "width": 32, "vocab_size": 128}


class TestGru(EncoderSuite):
    name = "gru"
    parameters = {"width": 16, "hidden": [8, 8], "vocab_size": 128}
