"""SigLIP graded by the suite that every objective can inherit."""

from medvl.testkit import ObjectiveSuite


class TestSigLIP(ObjectiveSuite):
    name = "siglip"
    parameters = {"dim": 16}
