"""The registered views: general ones, and the recipes of the papers, each a small declaration of shared steps.

A store holds squares: where a paper scales the short side and cuts along the long one, the centre square that the
store keeps (`fit: crop`) takes the place of that cut, or the whole radiograph with its margins (`fit: pad`).
Gray comes out once; three equal channels add nothing, see `medvl.models.channels`.
"""

from medvl.data.views.finetune import CxrFinetune
from medvl.data.views.medvill import CxrMedvill
from medvl.data.views.mmbt import CxrMmbt
from medvl.data.views.moco_cxr import CxrMoco
from medvl.data.views.mrm import CxrMrm, CxrMrmFinetune
from medvl.data.views.plain import Plain
from medvl.data.views.slip import CxrSlip, CxrSlipSsl

__all__ = [
    "CxrFinetune",
    "CxrMedvill",
    "CxrMmbt",
    "CxrMoco",
    "CxrMrm",
    "CxrMrmFinetune",
    "CxrSlip",
    "CxrSlipSsl",
    "Plain",
]
