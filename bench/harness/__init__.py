"""Measures Maru against llama.cpp on this machine: script/bench, docs/howto/benchmark.md."""
