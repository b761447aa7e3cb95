"""What is looked for, in queries that a database can answer: each candle of a span in one of them."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from streamer.domain.gaps import Span
from streamer.domain.interval import Interval, to_ms
from streamer.history.planning import split_for_queries
from streamer.symbols.resolve import Chosen
from tests.fakes.rest import instrument

STEP = Interval.M1.milliseconds


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 9_000)), max_size=8), st.integers(1, 3_000))
def test_the_queries_tile_the_spans(lengths: list[tuple[int, int]], most: int) -> None:
    """No candle twice, none left out, each query within its limit, each series once per query."""
    spans = {
        Chosen(instrument(f"B{number}"), Interval.M1): Span(first * STEP, (first + candles - 1) * STEP)
        for number, (first, candles) in enumerate(lengths)
    }
    reached = {chosen.series: span.first_ms for chosen, span in spans.items()}
    for query in split_for_queries(spans, most):
        assert query
        assert sum((until - since) // timedelta(minutes=1) for since, until in query.values()) <= most
        for series, (since, until) in query.items():
            assert to_ms(since) == reached[series]
            reached[series] = to_ms(until)
    assert reached == {chosen.series: span.last_ms + STEP for chosen, span in spans.items()}
