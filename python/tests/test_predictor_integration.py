import numpy

from test_predictor import answer, request


def test_takes_numbers_of_numpy() -> None:
    given = {"outcome": "predicted", "losses": numpy.float32([1, 2]), "deviation": numpy.float64(0.5)}
    assert answer(lambda _: given) == {"outcome": "predicted", "losses": [1.0, 2.0]}
    asked = request(uncertainty=True)
    assert answer(lambda _: given, asked) == {"outcome": "predicted", "losses": [1.0, 2.0], "deviation": 0.5}
