"""The fixture's model at its sizes, with weights through the converter."""

from medvl_mrm.objective import MRM
from medvl_mrm.released import STEM, from_released
from timm.models.vision_transformer import VisionTransformer
from torch import nn

import medvl
from medvl.models.base import ImageEncoder, Model
from medvl.models.bert_encoder import BertEncoder
from medvl.models.kept_patches import encode_kept
from medvl.models.tokenizer import Corpus


class Coloured(ImageEncoder):
    """A vision transformer over three colours, as the fixture's images have them."""

    def __init__(self, config: dict) -> None:
        super().__init__()
        self.patch = config["patch_size"]
        self.net = VisionTransformer(
            config["img_size"], self.patch, num_classes=0, embed_dim=config["embed_dim"], depth=config["depth"],
            num_heads=config["num_heads"], mlp_ratio=config["mlp_ratio"],
        )  # fmt: skip
        self.grid = self.net.patch_embed.grid_size
        self.tokens = config["patches"]
        self.tokens_width = self.pooled_width = config["embed_dim"]

    def masked(self, images, keep):
        return encode_kept(self.net, images, keep)


def build(fixture, **changes) -> tuple[Model, MRM]:
    """Both with the fixture's weights, in evaluation mode."""
    config, report = fixture.config, fixture.config["report_decoder"]
    text = BertEncoder(
        Corpus(), weights="none", layers=report["num_hidden_layers"], width=report["hidden_size"],
        heads=report["num_attention_heads"], intermediate=report["intermediate_size"],
        positions=report["max_position_embeddings"], vocab_size=report["vocab_size"],
        max_length=config["report_length"],
    )  # fmt: skip
    model = Model(Coloured(config), text)
    given = {"preset": "released", "image_ratio": config["mask_ratio"], "decoder_width": config["decoder_embed_dim"],
             "decoder_depth": config["decoder_depth"], "decoder_heads": config["decoder_num_heads"]}  # fmt: skip
    objective = MRM(model, **(given | changes))
    state = fixture.part("state")
    parts = from_released(state)
    parts["image"][f"net.{STEM}"] = state[STEM]  # these images are not gray
    for part, module in objective.exports(model).items():
        load(module, parts[part])
    return model.eval(), objective.eval()


def load(module: nn.Module, state: dict) -> None:
    """All of it and nothing else, but for a table that a tied head does not have."""
    if isinstance(module, medvl.VocabularyHead) and module.table is None:
        state = {name: tensor for name, tensor in state.items() if name != "table"}
    module.load_state_dict(state)
