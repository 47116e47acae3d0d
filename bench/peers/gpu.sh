#!/usr/bin/env bash
# Times the works of `ldm bench` on an NVIDIA card through XLA and in PyTorch with
# torch.compile, and prints a Markdown table of both for BENCHMARKS.md, below a check
# that the card draws the processor's picture.
#
#   bench/peers/gpu.sh [--works "sd_unet dec"] [--precisions "bf16 f32"] [--device cuda]
#                      [--minutes 10] [--ldm FILE] [--check]
#
#   --minutes   of everything, installing too; what is left then is skipped, by name
#   --ldm       a program that was built elsewhere (go build -tags xla ./cmd/ldm): Go is not needed then
#   --check     say what is there and what is missing, and end
#   --device    cuda; or cpu, to try the script out where there is no card: XLA's plugin for
#               processors, and one picture of 64 pixels a side
#
# Wanted: Linux, the card with its driver, Go, python3 with pip, and for torch.compile a C
# compiler and Python's headers. Packages that are missing are put into $LDM_GPU_ENV, by
# default ~/.cache/ldm-gpu: XLA's plugin with NVIDIA's libraries, held to their hashes (3 GB
# to fetch), and PyTorch with diffusers of fixed versions (3 GB). PyTorch of the active
# environment is taken where it sees the card and diffusers is beside it.
#
# A ratio above 1 says that ldm is faster. float32 is full float32 on both sides, without TF32.
# The caches of both sides' compilers are empty at the first start.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
works="sd_unet unet_train dec ae_train enc cin_unet" precisions="bf16 f32" device=cuda minutes=10 ldm="" check=no
env=${LDM_GPU_ENV:-${XDG_CACHE_HOME:-$HOME/.cache}/ldm-gpu}

say() { echo "gpu.sh: $*" >&2; }
die() { say "$@"; exit 2; }

while [ $# -gt 0 ]; do
  case $1 in
    --works|--precisions|--device|--minutes|--ldm)
      [ $# -gt 1 ] || die "$1 wants a value"
      declare "${1#--}=$2"; shift ;;
    --check) check=yes ;;
    -h|--help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit ;;
    *) die "unknown option $1 (--help lists them)" ;;
  esac
  shift
done
[[ $minutes =~ ^[1-9][0-9]*$ ]] || die "--minutes $minutes: want at least 1"
for work in $works; do
  [[ " sd_unet cin_unet dec enc unet_train ae_train " = *" $work "* ]] || die "--works $work: want some of sd_unet, cin_unet, dec, enc, unet_train, ae_train"
done
for precision in $precisions; do
  [[ $precision = f32 || $precision = bf16 ]] || die "--precisions $precision: want f32, bf16 or both"
done
until=$((SECONDS + 60 * minutes))
left() { local s=$((until - SECONDS)); echo $((s > 0 ? s : 1)); } # timeout 0 would be no limit

# What XLA, PyTorch and pip call the device.
case $device in
  cuda) small="" mode=-cl-compile-cuda plugin=gpu-cuda12.txt versions="torch==2.15.0 diffusers==0.42.1 transformers==5.24.0" ;;
  cpu) device=cpu:1 small="--pixels 64 --batch 1" mode=-cl-compile plugin=gpu-cpu.txt versions="torch diffusers transformers" ;;
  *) die "--device $device: want cuda or cpu" ;;
esac

python=${VIRTUAL_ENV:+$VIRTUAL_ENV/bin/python}
[ -x "$python" ] || python=$(command -v python3)
tmp=$(mktemp -d) || die "no temporary folder"
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

card() { nvidia-smi --query-gpu="$1" --format=csv,noheader,nounits --id=0 2>/dev/null | head -n 1; }

# examine lists all that is missing, before anything is fetched.
examine() {
  local missing=() driver free
  lack() { missing+=("$*"); }
  [ "$(uname -s)" = Linux ] || lack "Linux: this is $(uname -s)"
  if [ -n "$ldm" ]; then
    [ -x "$ldm" ] || lack "--ldm $ldm: there is no such program"
  else
    command -v go >/dev/null || lack "Go, $(sed -n 's/^go //p' "$root/go.mod") or later: https://go.dev/dl, or --ldm with a program that was built elsewhere"
  fi
  if [ -z "$python" ]; then
    lack "python3: apt-get install python3 python3-pip"
  elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
    lack "Python 3.10 or later: $python is $("$python" -V)"
  elif ! "$python" -m pip --version >/dev/null 2>&1; then
    lack "pip of $python: apt-get install python3-pip"
  fi
  if [ $device = cuda ]; then
    driver=$(card driver_version)
    if ! command -v nvidia-smi >/dev/null; then
      lack "NVIDIA's driver: there is no nvidia-smi"
    elif ! [[ $driver =~ ^[0-9]+\. ]]; then
      lack "a card that its driver sees: $(nvidia-smi 2>&1 | head -n 1)"
    elif [ "${driver%%.*}" -lt 525 ]; then
      lack "NVIDIA's driver 525 or later, for CUDA 12: it is $driver"
    else
      # PyTorch's newest packages are for CUDA 13
      [ "${driver%%.*}" -ge 580 ] || versions="torch==2.10.0 diffusers==0.42.1 transformers==5.24.0"
      [ "$(card memory.used)" -lt 2000 ] || say "note: other programs hold $(card memory.used) MiB of the card, and may slow it down"
    fi
  fi
  mkdir -p "$env" 2>/dev/null || { lack "a folder for packages: LDM_GPU_ENV=$env cannot be made"; env=/; }
  free=$(df -Pk "$env" 2>/dev/null | awk 'NR == 2 {print int($4 / 1048576)}')
  [ "${free:-0}" -ge 16 ] || [ -e "$env/torch/done" ] || [ $device != cuda ] || lack "16 GiB of disk for packages: $env has ${free:-no} GiB; LDM_GPU_ENV names another folder"
  if ! command -v cc >/dev/null && ! command -v gcc >/dev/null; then
    say "note: torch.compile wants a C compiler: apt-get install gcc"
  elif [ -n "$python" ] && [ ! -e "$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ]; then
    say "note: torch.compile wants Python's headers: apt-get install python3-dev"
  fi
  [ ${#missing[@]} = 0 ] && return
  say "this machine lacks:"
  printf '  %s\n' "${missing[@]}" >&2
  exit 2
}

# provide NAME PACKAGES... puts packages into a folder of their own, once.
provide() {
  local name=$1 folder=$env/$1 what
  shift
  what="$* $(cat "${!#}" 2>/dev/null | cksum)" # with what is in a list of hashes
  [ -e "$folder/done" ] && [ "$(cat "$folder/done")" = "$what" ] && return
  rm -rf "$folder"
  say "installing $name into $folder"
  timeout "$(left)" "$python" -m pip install --quiet --disable-pip-version-check --no-warn-conflicts --only-binary=:all: --target "$folder" "$@" >"$tmp/$name.log" 2>&1 &&
    echo "$what" >"$folder/done" && return
  say "$name cannot be installed: $(grep -v '^\s*$' "$tmp/$name.log" | tail -n 1 | cut -c1-300)"
  rm -rf "$folder"
  return 1
}

# finds tells whether ldm opens the device with the plugins that it finds now.
finds() { timeout 120 "$ldm" devices "$device" >"$tmp/devices" 2>"$tmp/stderr"; }

# torches tells whether PyTorch, compiled, runs on the device.
torches() {
  timeout 300 "$python" - "$device" >"$tmp/torch" 2>"$tmp/stderr" <<'PY'
import sys
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
place = "cuda" if sys.argv[1] == "cuda" else "cpu"
torch.compile(lambda x: torch.sin(x) + 1)(torch.ones(9, device=place)).sum().item()
import diffusers
print(torch.__version__, "with diffusers", diffusers.__version__)
PY
}

examine
packages=$("$python" -c 'import site, sys; print(":".join([p for p in sys.path if p.endswith("-packages")] + site.getsitepackages()))')
export LDM_PJRT_PATH=${LDM_PJRT_PATH:+$LDM_PJRT_PATH:}$env/xla:$packages TF_CPP_MIN_LOG_LEVEL=2
export TORCHINDUCTOR_CACHE_DIR=$tmp/inductor TRITON_CACHE_DIR=$tmp/triton
if [ $check = yes ]; then
  say "what the script wants is there; packages: $(ls -d "$env"/*/done 2>/dev/null | wc -l) of 2 are installed in $env"
  exit
fi
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE # settings for other programs, which slow NumPy's library down
began=$SECONDS
(cd "$root/bench/peers" && provide xla --no-deps --require-hashes -r $plugin) &
xla=$!
if torches; then
  have=yes
else # with its own NVIDIA libraries, which are not those of the plugin
  provide torch $versions && export PYTHONPATH=$env/torch${PYTHONPATH:+:$PYTHONPATH}
  have=$(torches && echo yes || echo no)
  [ $have = yes ] || say "PyTorch is left out: $(tail -n 1 "$tmp/stderr" | cut -c1-300)"
fi
wait $xla || say "note: looking for a plugin that is there already"
if [ -z "$ldm" ]; then
  ldm=$tmp/ldm
  (cd "$root" && go build -tags xla -o "$ldm" ./cmd/ldm) || die "ldm does not build"
fi
export XDG_CACHE_HOME=$tmp/cache # so that first starts compile
mkdir -p "$XDG_CACHE_HOME"
finds || die "ldm cannot use $device: $(tail -n 1 "$tmp/stderr")"
say "ready after $((SECONDS - began)) s"

field() { sed -n "s/.* $1=\([0-9.]*\).*/\1/p" <<<"$2"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {if (a > 0 && b > 0) printf "%.2f", b / a; else print "-"}'; }

# side NAME COMMAND... runs one side within the time that is left, and prints its line with
# the memory of the card at most.
side() {
  local name=$1 seconds line watch=""
  shift
  seconds=$(left)
  [ "$seconds" -gt 1 ] || { say "$name: skipped, $minutes minutes are over"; return; }
  if [ $device = cuda ]; then
    nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits --id=0 -lms 200 >"$tmp/memory" 2>/dev/null &
    watch=$!
  fi
  line=$(timeout -k 5 "$seconds" "$@" 2>"$tmp/stderr" | tail -n 1)
  [ -z "$watch" ] || { kill $watch; wait $watch; } 2>/dev/null
  if [[ $line = *median=* ]]; then
    echo "$line card=$(sort -n "$tmp/memory" 2>/dev/null | tail -n 1)"
  else
    say "$name: $(grep -v '^\s*$' "$tmp/stderr" | tail -n 1 | cut -c1-300)"
  fi
}

# draw DEVICE draws a picture of the model in the program.
draw() { timeout "$(left)" "$ldm" txt2img "a red apple" --seed 1 --steps 10 --device "$1" -o "$tmp/${1%%:*}-$2.png" >/dev/null 2>"$tmp/stderr"; }

if [ $device = cuda ]; then
  machine="$(card name), driver $(card driver_version)"
else
  machine=$(lscpu | sed -n 's/^Model name: *//p' | head -n 1)
fi
echo "$(date -u +%Y-%m-%d): $machine; ldm through $(sed -n 's/^version *//p' "$tmp/devices"); PyTorch $([ $have = yes ] && cat "$tmp/torch" || echo "is left out"), compiled"
echo
if draw cpu a && draw "$device" b; then
  echo "The picture of the model in the program, on $device and by the processor's own kernels: $("$ldm" evaluate pairs "$tmp/cpu-a.png" "$tmp/${device%%:*}-b.png" 2>/dev/null | tail -n 1)"
else
  say "no picture: $(tail -n 1 "$tmp/stderr" | cut -c1-300)"
fi
echo
echo "| work | precision | ldm s | first start s | later start s | card MiB | torch s | first start s | card MiB | ratio |"
echo "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|"
for precision in $precisions; do
  for work in $works; do
    own=$(side "ldm, $work $precision" "$ldm" bench "$work" --precision "$precision" --device "$device" $small)
    again="" theirs=""
    [ -z "$own" ] || again=$(side "ldm again, $work $precision" "$ldm" bench "$work" --precision "$precision" --device "$device" $small --runs 1)
    [ $have = no ] || theirs=$(side "torch, $work $precision" "$python" "$root/bench/peers/peer.py" "$work" "$precision$mode" "$(nproc)" $small)
    a=$(field median "$own") b=$(field median "$theirs")
    echo "| $work | $precision | ${a:--} | $(field first "$own") | $(field first "$again") | $(field card "$own") | ${b:--} | $(field first "$theirs") | $(field card "$theirs") | $(ratio "${a:-0}" "${b:-0}") |"
    rm -rf "$tmp/cache" "$TORCHINDUCTOR_CACHE_DIR" "$TRITON_CACHE_DIR"
    mkdir -p "$tmp/cache"
  done
done
