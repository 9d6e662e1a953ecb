import unittest

from harness.stats import latency, percentile, ratios, run_pairs, spread


class Pairs(unittest.TestCase):
    def test_order_is_swapped_in_every_second_pair(self):
        order = []

        def run(name):
            def body(i):
                order.append(name + str(i))
                return (name, i)

            return body

        pairs = run_pairs(4, run("a"), run("b"))
        self.assertEqual(order, ["a0", "b0", "b1", "a1", "a2", "b2", "b3", "a3"])
        self.assertEqual(pairs, [(("a", i), ("b", i)) for i in range(4)])

    def test_median_is_of_ratios_not_of_figures(self):
        # The medians' ratio would be 2 / 4; pair by pair the machine's mood cancels out.
        self.assertEqual(
            ratios([(1, 1), (2, 4), (30, 10)]), {"median": 1.0, "min": 0.5, "max": 3.0, "pairs": 3}
        )
        self.assertEqual(ratios([(1, 1), (3, 1)])["median"], 2.0)


class Percentiles(unittest.TestCase):
    def test_is_the_smallest_that_a_share_does_not_exceed(self):
        values = [40, 10, 30, 20]
        self.assertEqual(
            [percentile(values, p) for p in (0.25, 0.26, 0.5, 0.95, 1)], [10, 20, 20, 40, 40]
        )
        self.assertEqual(percentile([7], 0.01), 7)
        with self.assertRaises(ValueError):
            percentile([], 0.5)

    def test_latency_is_in_milliseconds(self):
        seconds = [i / 1000 for i in range(1, 101)]
        found = latency(seconds)
        self.assertEqual(
            {k: round(v, 6) for k, v in found.items()}, {"p50_ms": 50, "p95_ms": 95, "p99_ms": 99}
        )

    def test_spread(self):
        self.assertEqual(spread([3, 1, 2]), {"median": 2, "min": 1, "max": 3})


if __name__ == "__main__":
    unittest.main()
