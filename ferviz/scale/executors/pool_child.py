"""A process of the engine "pool": it reads descriptors from a pipe and writes receipts; it ends when the pipe does."""

from __future__ import annotations

import json
import sys

from ferviz.sandbox.messages import channel, read_message, write_message
from ferviz.scale.descriptors import Descriptor
from ferviz.scale.planner import load_plan
from ferviz.scale.shard_job import explain_shard


def main(folder: str) -> None:
    """Explain shards until the pipe ends.

    Args:
        folder: of the run.
    """
    reader, writer = channel()
    plan = load_plan(folder)
    while True:
        try:
            message = json.loads(read_message(reader))
        except EOFError:  # the process that supervises is through, or gone
            return
        shard = Descriptor.from_json(message["shard"])
        receipt = explain_shard(shard, plan, alone=message["alone"], careful=message["careful"])
        write_message(writer, receipt.to_json().encode())


if __name__ == "__main__":
    main(sys.argv[1])
