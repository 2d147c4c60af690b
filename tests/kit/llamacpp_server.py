"""llama.cpp's own server on loopback, from the package xllamacpp, in a separate process.

    with LlamaServer(gguf_file) as server:
        EndpointPolicy("m", server.url)

The server renders the chat template of the GGUF file. It answers one request at a time on one thread, because
the order of additions, and so the last bits of a logit, depends on the batch and on the threads.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path

from kit.waiting import LONG

# The server's threads log to the same stream, at times into the middle of a line.
_ADDRESS = re.compile(r"ADDRESS (http://\S+) END")
_SCRIPT = """
import sys
import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx, params.n_parallel, params.use_jinja, params.warmup = int(sys.argv[2]), 1, True, False
params.hostnames, params.port = ["127.0.0.1"], 0
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
if sys.argv[3] == "exact":
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
server = xllamacpp.Server(params)
print(f"\\nADDRESS {server.listening_address} END", flush=True)
sys.stdin.read()
"""


class LlamaServer:
    """A server that runs from its construction to `close`."""

    def __init__(self, file: Path, context: int = 2048, exact: bool = False) -> None:
        """`exact` keeps keys and values in float32; by default llama.cpp rounds them to 16 bits."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SCRIPT, str(file), str(context), "exact" if exact else "default"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self.output: list[str] = []
        self._known = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        address = self._address() if self._known.wait(LONG) else ""
        if not address:
            self.close()
            raise RuntimeError(f"llama.cpp's server did not start: {''.join(self.output[-20:])}")
        self.url = f"{address}/v1"

    def _read(self) -> None:
        """Reads the server's output to its end, so that the pipe never fills."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line)
            if _ADDRESS.search(line):
                self._known.set()
        self._known.set()

    def _address(self) -> str:
        return next((match[1] for line in self.output if (match := _ADDRESS.search(line))), "")

    def __enter__(self) -> LlamaServer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the server's process."""
        self.process.kill()
        self.process.wait()
