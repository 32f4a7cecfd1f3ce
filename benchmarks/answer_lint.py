"""How many single mistakes in answer files the lint finds, beside Microsoft's kind of schema.

    python -m benchmarks.answer_lint [--xsd FILE] [--missed]

``--xsd`` takes another schema for the comparison (Microsoft's own, where you have it).
"""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter
from pathlib import Path

from lxml import etree

from pvekit.model.answer import lint
from tests.answer.good import good_files
from tests.answer.mutations import COUNT, Mutation, mutations

ENVELOPE = Path(__file__).parents[1] / "tests" / "answer" / "envelope.xsd"


def by_schema(schema: etree.XMLSchema, data: bytes) -> bool:
    """Return whether the schema, or the parser before it, refuses the file."""
    try:
        return not schema.validate(etree.fromstring(data))
    except etree.XMLSyntaxError:
        return True


def by_lint(mutation: Mutation) -> bool:
    """Return whether the lint finds anything."""
    return bool(lint(mutation.data, image=mutation.image))


def main() -> None:
    """Print both scores, family by family."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--xsd", type=Path, default=ENVELOPE)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--missed", action="store_true", help="print every file that the lint takes")
    options = parser.parse_args()
    schema = etree.XMLSchema(etree.parse(options.xsd))
    all_of_them = mutations(options.count)
    total: Counter[str] = Counter(each.family for each in all_of_them)
    linted: Counter[str] = Counter(each.family for each in all_of_them if by_lint(each))
    refused: Counter[str] = Counter(each.family for each in all_of_them if by_schema(schema, each.data))
    print(f"{'family':32} {'files':>5} {'lint':>5} {'XSD':>5}")
    for family, count in total.items():
        print(f"{family:32} {count:5} {linted[family]:5} {refused[family]:5}")
    whole = total.total()
    print(f"{'all':32} {whole:5} {linted.total():5} {refused.total():5}")
    print(f"lint {linted.total() / whole:.1%}, XSD {refused.total() / whole:.1%}")
    wrong = sum(bool(lint(data, image=image)) for data, image in good_files().values())
    print(f"right files that the lint complains about: {wrong} of {len(good_files())}")
    digest = hashlib.sha256(b"".join(each.data for each in all_of_them)).hexdigest()[:16]
    print(f"the mistakes are {digest}")
    for each in all_of_them if options.missed else []:
        if not by_lint(each):
            print(f"\n--- {each.family}, {each.base}\n{_difference(each)}")


def _difference(mutation: Mutation) -> str:
    import difflib

    before = good_files()[mutation.base][0].decode().replace("\r", "").splitlines()
    after = mutation.data.decode("utf-8", "replace").replace("\r", "").splitlines()
    return "\n".join(
        line for line in difflib.unified_diff(before, after, n=1, lineterm="") if line[:3] not in ("---", "+++")
    )


if __name__ == "__main__":
    main()
