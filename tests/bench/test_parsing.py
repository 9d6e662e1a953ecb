import importlib.util
import json
import pathlib
import tempfile
import unittest

from harness import machine, results
from harness.peer import Peer, Setting, best_setting, parse_bench
from harness.quality import n_chunks, parse_divergence
from harness.servers import proportional_bytes

ROOT = pathlib.Path(__file__).resolve().parents[2]

CPUINFO = """processor	: 0
cpu family	: 26
model		: 2
model name	: AMD EPYC
flags		: fpu avx2 fma avx512f avx512_vnni avx_vnni

processor	: 1
model name	: another
flags		: fpu amx_tile
"""

DIVERGENCE = """
====== Perplexity statistics ======
Mean PPL(Q)                   :  18.120532 ±   0.812345
Mean PPL(base)                :  18.101010 ±   0.811111
Cor(ln(PPL(Q)), ln(PPL(base))):  99.98%
Mean ln(PPL(Q)/PPL(base))     :  -0.001078 ±   0.000912
====== KL divergence statistics ======
Mean    KLD:   0.001234 ±   0.000021
Maximum KLD:   0.301234
Same top p: 97.500 ± 0.200 %
"""


def peer_build():
    spec = importlib.util.spec_from_file_location("peer_build", ROOT / "bench/peer/build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Machine(unittest.TestCase):
    def test_reads_the_first_cpu(self):
        info = machine.read_cpuinfo(CPUINFO)
        self.assertEqual(info["cpu"], "AMD EPYC, family 26 model 2")
        self.assertEqual(info["flags"], ["avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni"])

    def test_reads_arm(self):
        info = machine.read_cpuinfo("processor\t: 0\nFeatures\t: fp asimddp i8mm\n")
        self.assertEqual(info["flags"], ["asimddp", "i8mm"])


class PeerBuild(unittest.TestCase):
    def test_wants_what_the_cpu_has(self):
        build = peer_build()
        flags = build.cpu_flags(CPUINFO)
        self.assertEqual(build.variants(flags), ["vnni"])
        self.assertEqual(build.variants(flags | {"amx_tile", "amx_int8"}), ["vnni", "amx"])
        wanted = build.wanted_features("vnni", flags)
        self.assertEqual(
            wanted,
            {
                "avx2": True,
                "avx512": True,
                "avx512_vnni": True,
                "avx_vnni": True,
                "amx_int8": False,
            },
        )
        self.assertTrue(build.wanted_features("amx", flags)["amx_int8"])


class PeerBench(unittest.TestCase):
    def test_takes_the_median_of_the_samples(self):
        self.assertEqual(
            parse_bench(json.dumps([{"samples_ts": [9.0, 1.0, 3.0], "avg_ts": 4.3}])), 3.0
        )
        self.assertEqual(parse_bench(json.dumps([{"samples_ts": [1.0, 3.0]}])), 2.0)
        with self.assertRaises(ValueError):
            parse_bench("[]")

    def test_best_setting_counts_and_ties_go_to_the_first(self):
        settings = [Setting(), Setting(flash_attention=False), Setting(repack=False)]
        self.assertEqual(
            best_setting(settings, lambda s: 2.0 if not s.repack else 1.0), (settings[2], 2.0)
        )
        self.assertEqual(best_setting(settings, lambda s: 1.0)[0], settings[0])

    def test_long_prompts_keep_what_won_for_short_ones_and_try_larger_batches(self):
        peer = Peer.__new__(Peer)
        peer.builds, peer._chosen, tried = ["a", "b"], {}, []

        def rate(model, n, repeat, setting):
            tried.append((n, setting))
            fast = setting.build == "b" and not setting.repack
            return 10 * fast + (n > 512 and setting.ubatch == 2048) - setting.flash_attention

        peer.prompt_rate = rate
        self.assertEqual(peer.prompt_setting("m", 512), Setting("b", False, 512, False))
        self.assertEqual(len(tried), 8)
        self.assertEqual(peer.prompt_setting("m", 4096), Setting("b", False, 2048, False))
        self.assertEqual({n for n, _ in tried[8:]}, {4096})
        n_tried = len(tried)
        peer.prompt_setting("m", 4096)
        self.assertEqual(len(tried), n_tried)

    def test_flags(self):
        setting = Setting(flash_attention=False, ubatch=2048, repack=False)
        self.assertEqual(setting.bench_flags(), ["-fa", "0", "-ub", "2048", "--repack", "0"])
        self.assertEqual(setting.server_flags(), ["-fa", "off", "-ub", "2048", "--no-repack"])


class Quality(unittest.TestCase):
    def test_reads_the_final_figures(self):
        found = parse_divergence(DIVERGENCE)
        self.assertEqual(found["mean_kl"], 0.001234)
        self.assertEqual(found["mean_kl_error"], 0.000021)
        self.assertEqual(found["log_ppl_ratio"], -0.001078)
        self.assertEqual(found["reference_ppl"], 18.10101)
        self.assertEqual(found["same_top"], 0.975)
        with self.assertRaises(ValueError):
            parse_divergence("")

    def test_chunks_are_bounded_by_the_text_and_by_the_file(self):
        self.assertEqual(n_chunks(512 * 9 + 5, 1000), 9)
        self.assertLess(n_chunks(10**6, 262_144) * 255 * 2 * 262_144, 3.01e9)


class Files(unittest.TestCase):
    def test_memory(self):
        rollup = "5581-7ffe ---p 00000000 00:00 0  [rollup]\nRss:   2048 kB\nPss:   1024 kB\nPss_Anon: 1 kB\n"
        self.assertEqual(proportional_bytes(rollup), 1024 * 1024)
        with self.assertRaises(ValueError):
            proportional_bytes("")

    def test_results_are_appended_with_their_context(self):
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/r.jsonl"
            for value in (1.234567, 2):
                results.Results(path, {"commit": "abc"}).add({"what": "x", "value": value})
            lines = results.read_results(path)
        self.assertEqual([x["value"] for x in lines], [1.2346, 2])
        self.assertEqual({x["commit"] for x in lines}, {"abc"})


if __name__ == "__main__":
    unittest.main()
