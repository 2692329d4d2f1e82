"""Boxes and names drawn into pictures: where they are, in which colour, and that words never cover words."""

import numpy as np

from models.detector.drawing import SURE, UNSURE, WRONG, Note, annotated, note_of, short
from models.detector.model import Item

GREY = np.full((200, 300, 3), 90, np.uint8)


def test_a_box_is_outlined_and_its_words_stand_above_it() -> None:
    drawn = annotated(GREY, [Note((100.0, 80.0, 180.0, 160.0), "milk 97%", SURE)])
    assert drawn.shape == GREY.shape and (GREY == 90).all(), "the picture itself is left as it was"
    for x, y in ((100, 120), (179, 120), (140, 159)):
        assert drawn[y, x].tolist() == list(SURE)
    assert (drawn[100:150, 110:170] == 90).all(), "what is in the box stays visible"
    words = (drawn[60:80] != 90).any(axis=2)
    assert words[:, 100:140].any() and not words[:, :100].any()
    assert (drawn[60:80, 100:160].min(axis=2) > 150).any(), "letters are white"


def test_words_at_the_edges_stay_in_the_picture_and_leave_each_other_alone() -> None:
    corner = annotated(GREY, [Note((280.0, 0.0, 300.0, 30.0), "a long name of a product", WRONG)])
    assert (corner[0:30, 120:280] != 90).any(), "moved to the left, into the box from above"
    same = [Note((50.0, 50.0, 90.0, 100.0), "one", SURE), Note((50.0, 50.0, 90.0, 100.0), "two", UNSURE)]
    drawn = annotated(GREY, same)
    above, inside = (drawn[rows, 51:60].reshape(-1, 3) for rows in (slice(36, 49), slice(51, 62)))
    assert (above == SURE).all(axis=1).any() and (inside == UNSURE).all(axis=1).any()
    crowded = annotated(GREY, [Note((50.0, 50.0, 90.0, 60.0), str(number), SURE) for number in range(50)])
    assert (crowded[100:] == 90).all(), "words without a place are left out, not scattered"


def test_what_is_said_of_an_item() -> None:
    box = (0.0, 0.0, 1.0, 1.0)
    assert note_of(Item(box, 0.9, "milk", 0.974)) == Note(box, "milk 97%", SURE)
    assert note_of(Item(box, 0.9, "milk", 0.79)).colour == UNSURE
    assert note_of(Item(box, 0.9, None, 0.99)) == Note(box, "unknown", UNSURE)
    assert short("x" * 24) == "x" * 24 and short("x" * 25) == "x" * 23 + "…"
