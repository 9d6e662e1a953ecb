"""sample.jsonl holds lines as script/bench writes them, for their form: its figures mean nothing."""

import pathlib
import tempfile
import unittest
import xml.etree.ElementTree as xml

from harness import bars, plot, svg
from harness.results import read_results

SAMPLE = pathlib.Path(__file__).parent / "sample.jsonl"


def decode_line(rate: float, peer: float, bandwidth: float, memory: float) -> dict:
    bytes_per_token = 1e8
    share = rate * bytes_per_token / bandwidth
    return {
        "what": "tg128",
        "peer": [peer],
        "ratio": {"median": rate / peer},
        "bandwidth_gb_s": {"median": bandwidth * 1e-9},
        "memory_gb_s": {"median": memory * 1e-9},
        "bound": bandwidth / bytes_per_token,
        "share": {"median": share},
    }


class Bars(unittest.TestCase):
    def test_the_slowest_kernel_counts(self):
        lines = [
            {"layout": x, "share_of_peak": 0.6} for x in ("q4_0", "q4_1", "q4_k", "q5_0", "q6_k")
        ]
        lines += [{"layout": "q8_0", "share_of_peak": x} for x in (0.3, 0.4, 0.2)]
        first, second = bars.kernel_bars(lines, amx=False)
        self.assertEqual((first["value"], first["target"], first["met"]), (0.4, 0.5, False))
        self.assertEqual((second["value"], second["target"], second["met"]), (0.6, 0.42, True))
        with self.assertRaises(ValueError):
            bars.kernel_bars(lines[:2], amx=False)

    def test_decode_ratio_gives_way_to_the_memory(self):
        # 30 GB/s allow 300 tokens/s; 0.9 of them are 1.35 times the peer's 200.
        share, ratio = bars.decode_bars(decode_line(280, 200, 30e9, 29e9), "m", 2)
        self.assertAlmostEqual(share["value"], 280 / 300)
        self.assertEqual((share["target"], share["met"]), (0.8, True))
        self.assertAlmostEqual(ratio["target"], 1.35)
        self.assertTrue(ratio["met"])
        share, ratio = bars.decode_bars(decode_line(280, 100, 30e9, 20e9), "m", 2)
        self.assertEqual((share["target"], ratio["target"]), (0.65, 2))

    def test_first_token(self):
        line = {
            k: {"median": v} for k, v in (("cold", 0.124), ("cached", 1.01), ("restarted", 0.02))
        }
        self.assertEqual(
            [x["met"] for x in bars.first_token_bars(line, amx=False)], [True, False, True]
        )

    def test_quality(self):
        line = {
            "maru": {"mean_kl": 0.002, "log_ppl_ratio": -0.0011},
            "peer": {"mean_kl": 0.002, "log_ppl_ratio": 0},
        }
        self.assertEqual([x["met"] for x in bars.quality_bars(line, "m")], [True, False])

    def test_every_section_has_its_function(self):
        for section in bars.SECTIONS:
            self.assertTrue(callable(getattr(bars.Bars, section)))

    def test_table_marks_what_is_missed(self):
        text = bars.table([bars.bar("a", 1, 2, "ms"), bars.bar("b", 1, 2, is_most=True)])
        self.assertIn("| a | 1 ms | 2 ms | **no** |", text)
        self.assertIn("| b | 1 | at most 2 | yes |", text)


class Reports(unittest.TestCase):
    def test_plots_and_page_of_the_sample(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            plot.plot_results([str(SAMPLE)], folder)
            page = (folder / "figures.md").read_text(encoding="utf-8")
            drawing = xml.parse(folder / "speed.svg").getroot()
        for part in ("## Bars", "## Prompt and decode", "## Streams", "## Quality", "(speed.svg)"):
            self.assertIn(part, page)
        self.assertIn("| 16 | maru | 518 | 14.30 (14.30 to 14.30) | 520 | 349 / 770 / 770 |", page)
        labels = [x.text for x in drawing.iter("{http://www.w3.org/2000/svg}text")]
        n_lines = len(plot.compared(read_results(str(SAMPLE)), "model"))
        self.assertGreater(n_lines, 1)
        self.assertEqual(sum("pp512" in x or "tg128" in x for x in labels), n_lines)

    def test_the_last_line_of_a_measurement_counts(self):
        line = {"bench": "model", "what": "pp512", "model": "m", "machine": {"cpu": "c"}}
        newer, older = line | {"n": 1, "date": "2026-02"}, line | {"n": 2, "date": "2026-01"}
        other = line | {"what": "tg128", "n": 3, "date": "2026-01"}
        kept = plot.latest([newer, older, other])
        self.assertEqual([x["n"] for x in kept], [1, 3])

    def test_grid_lines_are_round_and_few(self):
        for largest in (0.7, 9, 37, 480, 3600, 81_000):
            step = svg.nice_step(largest)
            self.assertTrue(3 <= largest / step <= 8, (largest, step))
            self.assertIn(f"{step:.0e}"[0], "125")

    def test_labels_are_escaped(self):
        text = svg.grouped_bars("a < b", "x", ("m", "p"), [("&", [(1, 2, 3), (1, 1, 1)])])
        self.assertEqual(xml.fromstring(text).tag, "{http://www.w3.org/2000/svg}svg")


if __name__ == "__main__":
    unittest.main()
