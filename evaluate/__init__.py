"""The judgement: answers of models, verdicts of judges on them, and what follows from the verdicts.

Modules import each other relatively, so that the package works under whatever name it is installed: Hugging Face has a
package called `evaluate` too.
"""
