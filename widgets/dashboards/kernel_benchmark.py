"""The kernel benchmark in a notebook: measured here and now, or read from the file of `workbench bench kernels`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any

from benchmarks import kernels as bench
from widgets.draw.benchmark import BenchmarkPicture
from widgets.views.benchmark import benchmark
from workbench.errors import FormatError
from workbench.names import sentence

_LARGEST_FILE = 16 * 2**20  # bytes


class KernelBenchmark:
    """Shows a result of `workbench bench kernels --json`. Display it as the last line of a cell."""

    def __init__(self, result: Mapping[str, Any]) -> None:
        """Raises FormatError, naming the field, for what is not such a result."""
        self.result = result
        self._stopped = Event()
        self._worker: Thread | None = None
        self._status = self._error = ""
        self._picture = BenchmarkPicture(self.stop, self._state())

    @classmethod
    def measure(
        cls,
        kernels: Sequence[str] = bench.KERNELS,
        quick: bool = False,
        threads: Sequence[int] = (1,),
        rounds: int | None = None,
    ) -> KernelBenchmark:
        """Start to time `kernels` on a thread of its own; the picture grows with every case.

        quick: only the cases that the README shows; all of them take minutes. rounds: how often each
        case is timed at most; with fewer than the benchmark's own the figures scatter more. Raises WorkbenchError for a
        kernel that there is not.
        """
        bench.check(kernels, rounds)
        started = cls({"machine": bench.machine(), "rows": []})
        started._worker = Thread(
            target=started._measure,
            args=(tuple(kernels), quick, tuple(threads), rounds),
            name="workbench-bench",
            daemon=True,
        )
        started._status = "Preparing the first case…"
        started._worker.start()
        return started

    @classmethod
    def read(cls, path: str | Path) -> KernelBenchmark:
        """The result in a JSON file. Raises FormatError for a file that holds none, and OSError."""
        path = Path(path)
        if path.stat().st_size > _LARGEST_FILE:
            raise FormatError(f"{path} is larger than the {_LARGEST_FILE:,} bytes that a kernel benchmark may have.")
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{path} is not a JSON file: {error}.") from error
        return cls(result)

    def save(self, path: str | Path) -> Path:
        """Write the result as the JSON file that `read` takes."""
        path = Path(path)
        path.write_text(json.dumps(self.result, indent=2), encoding="utf-8")
        return path

    def stop(self) -> None:
        """End after the case that is being measured; what is known stays."""
        self._stopped.set()
        if self._status:
            self._status = "Stopping after this case…"
            self._show()

    def wait(self) -> None:
        """Until everything is measured, or `stop` ended it."""
        if self._worker is not None:
            self._worker.join()

    def close(self) -> None:
        """Take the picture away and end the measurement."""
        self._stopped.set()
        self._picture.close()

    def _repr_mimebundle_(self, **given: Any) -> Any:
        return self._picture._repr_mimebundle_(**given)

    def _measure(self, kernels: tuple[str, ...], quick: bool, threads: tuple[int, ...], rounds: int | None) -> None:
        try:
            self.result = bench.run(
                threads, self._measured, kernels=kernels, quick=quick, rounds=rounds, cancelled=self._stopped.is_set
            )
        except Exception as error:  # on a thread of its own, where nobody else would hear of it
            self._error = sentence(f"The benchmark ended early: {type(error).__name__}: {error}")
        self._status = ""
        self._show()

    def _measured(self, progress: bench.Progress) -> None:
        self.result = {**self.result, "rows": [*self.result["rows"], progress.row.to_dict()]}
        if not self._stopped.is_set():
            self._status = str(progress)
        self._show()

    def _show(self) -> None:
        self._picture.show(self._state())

    def _state(self) -> dict[str, Any]:
        return {
            "benchmark": benchmark(self.result),
            "running": bool(self._status),
            "stopping": self._stopped.is_set(),
            "status": self._status,
            "error": self._error,
        }
