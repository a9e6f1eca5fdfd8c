#!/usr/bin/env bash
# Training and sampling on the device at hand, as Markdown; under 8 minutes on a GPU, under 3 on a CPU.
#
#   benchmarks/gpu.sh            from a checkout whose environment has rowsmith[local], and rowsmith[vllm] if wanted
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec "${PYTHON:-python}" -m benchmarks device "$@"
