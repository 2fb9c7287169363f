"""How work ends that is no longer wanted, and is taken up again."""

import itertools

from workbench.errors import resumed, still_wanted


def test_what_a_move_interrupts_is_begun_anew_at_the_next_piece():
    moves, begun = itertools.count(), []

    def work(cancelled):
        begun.append(cancelled())
        still_wanted()
        return "made"

    pieces = resumed(work, lambda: min(next(moves), 6))  # the first six questions find a newer move each
    given = []
    while not given:
        try:
            assert next(pieces) is None
        except StopIteration as end:
            given.append(end.value)
    assert given == ["made"] and len(begun) == 3 and begun[-1] is False


def test_without_a_move_it_is_one_piece():
    assert list(resumed(lambda cancelled: cancelled(), lambda: 1)) == []
