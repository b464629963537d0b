"""Words of what was hidden and restored, and pictures of it."""

import tokenizers
import torch

from medvl.models.tokenizer import Tokenizer
from medvl.objectives.reconstruction import Reconstruction, RestoredImages, RestoredTexts, RestoredWord
from medvl.runs.reconstructions import GIVEN, REMOVED, RESTORED, TRUTH, plot_reconstructions, restored_cases


def tokenizer_of(words, sep=True):
    names = ["[PAD]", "[UNK]", "[CLS]", "[MASK]", *(["[SEP]"] if sep else []), *words.split()]
    backend = tokenizers.Tokenizer(tokenizers.models.WordPiece(dict(zip(names, range(99), strict=False))))
    return Tokenizer(backend, 16)


def spelled_ids(tokenizer, text):
    return torch.tensor([[tokenizer.backend.token_to_id(piece) for piece in text.split()]])


def texts(tokenizer):
    ids = spelled_ids(tokenizer, "[CLS] no effusion ##s seen [SEP] [PAD]")
    told = spelled_ids(tokenizer, "[CLS] no edema ##s seen [SEP] [PAD]")
    hidden = torch.tensor([[False, True, True, False, False, False, False]])
    return RestoredTexts(ids, hidden, told)


def test_pieces_are_joined_and_marks_left_out():
    tokenizer = tokenizer_of("no effusion edema seen ##s")
    words = texts(tokenizer).words(0, tokenizer)
    assert words == [RestoredWord("no", "no"), RestoredWord("effusions", "edemas"), RestoredWord("seen", None)]
    assert [word.right for word in words] == [True, False, True]


def images(case_count=2):
    truth = torch.arange(64.0).view(1, 1, 8, 8).expand(case_count, -1, -1, -1)
    removed = torch.zeros(case_count, 2, 2, dtype=torch.bool)
    removed[:, 0, 1] = True
    return RestoredImages(truth[:, :, ::2, ::2], truth + 100, truth, removed)


def test_pictures_have_the_scale_of_the_truth_and_gray_where_patches_are_gone():
    pictures = restored_cases(Reconstruction(images(), None), None)[1].pictures
    assert list(pictures) == [GIVEN, RESTORED, TRUTH]
    assert pictures[TRUTH].min() == 0 and pictures[TRUTH].max() == 255
    assert (pictures[RESTORED] == 255).all()  # brighter than anything there is
    seen = pictures[GIVEN]
    assert seen.shape == (4, 4) and (seen[:2, 2:] == REMOVED).all() and (seen[2:] != REMOVED).all()


def drawn(figure):
    return {text.get_text(): text.get_color() for axes in figure.axes for text in axes.texts}


def test_the_figure_shows_pictures_and_words_in_their_colours():
    tokenizer = tokenizer_of("no effusion edema seen ##s")
    cases = restored_cases(Reconstruction(images(1), texts(tokenizer)), tokenizer)
    figure = plot_reconstructions(cases, title="pretrain")
    shown = [axes.get_title() for axes in figure.axes if axes.get_images()]
    assert shown == [GIVEN, RESTORED, TRUTH]
    colours = drawn(figure)
    assert set(colours) == {"no", "edemas", "(effusions)", "seen"}
    assert len({colours[name] for name in colours}) == 4  # right, wrong, what it should be, given


def test_long_texts_are_broken_into_lines_and_stay_inside():
    words = [RestoredWord("consolidation", "opacification" if place % 2 else None) for place in range(40)]
    case = restored_cases(Reconstruction(images(1), None), None)[0]
    figure = plot_reconstructions([type(case)(case.pictures, words)])
    figure.canvas.draw()
    edge = figure.bbox.x1
    lines = set()
    for axes in figure.axes:
        for text in axes.texts:
            lines.add(text.get_position()[1])
            assert text.get_window_extent().x1 <= edge
    assert len(lines) > 3


def test_either_half_may_be_missing():
    tokenizer = tokenizer_of("no effusion edema seen ##s")
    only_text = restored_cases(Reconstruction(None, texts(tokenizer)), tokenizer)
    assert only_text[0].pictures == {} and len(only_text[0].words) == 3
    assert set(drawn(plot_reconstructions(only_text))) == {"no", "edemas", "(effusions)", "seen"}
    assert restored_cases(Reconstruction(images(), texts(tokenizer)), None)[0].words == []


def test_a_tokenizer_without_sep_decodes():
    found = tokenizer_of("heart size", sep=False)
    assert found.decode(spelled_ids(found, "[CLS] heart size [PAD]").numpy()) == ["heart size"]
