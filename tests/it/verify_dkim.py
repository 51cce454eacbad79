"""Verifies every DKIM signature of the messages in a folder with dkimpy, which is no code of Daybreak's.

    verify_dkim.py FOLDER      FOLDER holds records.json, {"name of a TXT record": "value"}, and messages as *.eml

Prints one JSON object: for each file, a list of [selector, whether the signature holds] in the order of the header.
"""

import json
import pathlib
import sys

import dkim


def verify(message, records):
    def txt(name, timeout=5):
        return records.get(name.decode().rstrip("."), "").encode()

    verifier = dkim.DKIM(message, minkey=2048)
    count = sum(name.lower() == b"dkim-signature" for name, _ in verifier.headers)
    results = []
    for index in range(count):
        try:
            good = verifier.verify(idx=index, dnsfunc=txt)
        except dkim.DKIMException as error:
            print(f"{error}", file=sys.stderr)
            good = False
        results.append([verifier.signature_fields.get(b"s", b"").decode(), good])
    return results


folder = pathlib.Path(sys.argv[1])
records = json.loads((folder / "records.json").read_text())
print(json.dumps({file.name: verify(file.read_bytes(), records) for file in sorted(folder.glob("*.eml"))}))
