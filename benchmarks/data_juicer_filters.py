"""Records a second of two data-juicer filters, in an interpreter that has data-juicer; run by filters.py.

Reads texts, one JSON string a line, from the file named first; prints one JSON object, filter to seconds.
"""

import json
import sys
import time
from pathlib import Path

from data_juicer.core.data import NestedDataset
from data_juicer.ops.filter.special_characters_filter import SpecialCharactersFilter
from data_juicer.ops.filter.text_length_filter import TextLengthFilter

texts = [{"text": json.loads(line)} for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
seconds = {}
for operator in (TextLengthFilter(min_len=20, max_len=8000), SpecialCharactersFilter()):
    data = NestedDataset.from_list(texts)
    begun = time.perf_counter()
    operator.run(data)
    seconds[type(operator).__name__] = time.perf_counter() - begun
print(json.dumps(seconds))
