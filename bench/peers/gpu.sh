#!/usr/bin/env bash
# Times the works of `ldm bench` on an NVIDIA card through XLA and in PyTorch with
# torch.compile, and prints a Markdown table of both for BENCHMARKS.md.
#
#   bench/peers/gpu.sh [--works "dec enc"] [--precisions "f32 bf16"] [--device cuda] [--minutes 10]
#
# Wanted: the card with its driver, Go, and Python with these packages, in the active
# environment or in the one of bench/peers/run.sh:
#   pip install "jax-cuda12-plugin[with-cuda]" torch diffusers transformers
# float32 is full float32 on both sides, without TF32. Memory is the host's; the card's
# is not in the table. After so many minutes what is left is skipped.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
works="dec enc sd_unet cin_unet ae_train unet_train" precisions="f32 bf16" device=cuda minutes=10

die() { echo "gpu.sh: $*" >&2; exit 2; }

while [ $# -gt 0 ]; do
  case $1 in
    --works|--precisions|--device|--minutes)
      [ $# -gt 1 ] || die "$1 wants a value"
      declare "${1#--}=$2"; shift ;;
    -h|--help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit ;;
    *) die "unknown option $1 (--help lists them)" ;;
  esac
  shift
done
[[ $minutes =~ ^[1-9][0-9]*$ ]] || die "--minutes $minutes: want at least 1"
until=$((SECONDS + 60 * minutes))

python=${VIRTUAL_ENV:-${LDM_PEERS_ENV:-${XDG_CACHE_HOME:-$HOME/.cache}/ldm-peers}}/bin/python
[ -x "$python" ] || python=$(command -v python3) || die "there is no python3"
LDM_PJRT_PATH=$("$python" -c 'import site, sys; print(":".join(site.getsitepackages() + [site.getusersitepackages()]))'):${LDM_PJRT_PATH:-}
export LDM_PJRT_PATH TF_CPP_MIN_LOG_LEVEL=2

tmp=$(mktemp -d) || die "no temporary folder"
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
(cd "$root" && go build -tags xla -o "$tmp/ldm" ./cmd/ldm) || die "ldm does not build"
"$tmp/ldm" devices "$device" >"$tmp/devices" || die "no device $device"

torch=no
"$python" -c 'import torch, diffusers; assert torch.cuda.is_available()' 2>/dev/null && torch=yes

field() { sed -n "s/.* $1=\([0-9.]*\).*/\1/p" <<<"$2"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {if (a > 0 && b > 0) printf "%.2f", b / a; else print "-"}'; }

# side NAME COMMAND... runs one side within the time that is left and prints its line.
side() {
  local name=$1 left=$((until - SECONDS)) line
  shift
  [ $left -gt 5 ] || return
  line=$(timeout "$left" "$@" 2>"$tmp/stderr" | tail -n 1)
  [[ $line = *median=* ]] && echo "$line" || echo "gpu.sh: $name: $(tail -n 1 "$tmp/stderr" | cut -c1-200)" >&2
}

echo "$(date -u +%Y-%m-%d): $(sed -n 's/^device 0 *//p' "$tmp/devices"); ldm through $(sed -n 's/^version *//p' "$tmp/devices"), PyTorch $("$python" -c 'import torch; print(torch.__version__)' 2>/dev/null || echo 'not installed') compiled"
echo
echo "| work | precision | ldm s | first start s | later start s | torch s | first start s | ratio |"
echo "|---|---|--:|--:|--:|--:|--:|--:|"
for work in $works; do
  for precision in $precisions; do
    export XDG_CACHE_HOME=$tmp/cache-$work-$precision # so that the first start compiles
    mkdir -p "$XDG_CACHE_HOME"
    own=$(side ldm "$tmp/ldm" bench "$work" --precision "$precision" --device "$device")
    again=$(side ldm "$tmp/ldm" bench "$work" --precision "$precision" --device "$device" --runs 1)
    theirs=""
    [ $torch = no ] || theirs=$(side torch "$python" "$root/bench/peers/peer.py" "$work" "$precision-cl-compile-cuda" "$(nproc)")
    a=$(field median "$own") b=$(field median "$theirs")
    echo "| $work | $precision | ${a:--} | $(field first "$own") | $(field first "$again") | ${b:--} | $(field first "$theirs") | $(ratio "${a:-0}" "${b:-0}") |"
    rm -rf "$XDG_CACHE_HOME"
  done
done
