"""Benchmarks with known answers: which answer a model finds likeliest, as lm-evaluation-harness counts it.

`tasks` says what each benchmark is, `forms` and `sources` where its rows come from, `requests` what is asked, `scoring` how likely
that is, `metrics` what it comes to; `measuring` does it all, `harness` lets lm-eval do it, `results` puts both in one table.
"""
