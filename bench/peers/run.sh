#!/usr/bin/env bash
# Times the works of `ldm bench` here and in PyTorch (and OpenVINO), and prints a
# Markdown table of both.
#
# "txt2img upscale inpaint" are whole tasks: their rows have the time to the first picture
# (from the start of the process, with what is loaded) beside the median of those after it.
# Their models, random weights of 16 bits, are made once under $LDM_PEERS_MODELS, by default
# ~/.cache/ldm-peers-models: 2 GB each, and as much again for OpenVINO.
#
#   bench/peers/run.sh [--works "dec enc"] [--threads "1 2"] [--precisions "f32 bf16"]
#                      [--steps 20] [--rounds 2] [--runs N] [--isa avx512] [--compile] [--openvino|--no-openvino]
#
# The peers live in a virtual environment outside the tree, which is made at the
# first call: $LDM_PEERS_ENV, by default ~/.cache/ldm-peers. pip's own settings choose
# the build of PyTorch, the large one for graphics cards or the small one. --isa (or LDM_ISA)
# restricts both sides. Each side runs once a round, in turn, and the table has
# the median of the rounds (the lower one of two); a ratio above 1 says that ldm
# is faster.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
env=${LDM_PEERS_ENV:-${XDG_CACHE_HOME:-$HOME/.cache}/ldm-peers}
works="sd_unet cin_unet dec enc unet_train ae_train"
threads="1 $(nproc 2>/dev/null || echo 1)"
precisions="f32 bf16"
models=${LDM_PEERS_MODELS:-${XDG_CACHE_HOME:-$HOME/.cache}/ldm-peers-models}
rounds=2 runs=0 steps=20 isa=${LDM_ISA:-} openvino=no compile=""
notes=()

die() { echo "run.sh: $*" >&2; exit 2; }
note() { notes+=("$*"); echo "run.sh: $*" >&2; }
usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; }

while [ $# -gt 0 ]; do
  case $1 in
    --works|--threads|--precisions|--rounds|--runs|--steps|--isa)
      [ $# -gt 1 ] || die "$1 wants a value"
      declare "${1#--}=$2"; shift ;;
    --openvino) openvino=yes ;;
    --no-openvino) openvino=no ;;
    --compile) compile=-compile ;;
    -h|--help) usage; exit ;;
    *) die "unknown option $1 (--help lists them)" ;;
  esac
  shift
done
# Once each, where the machine has a single processor.
threads=$(tr ' ' '\n' <<<"$threads" | awk 'NF && !seen[$0]++' | tr '\n' ' ')
[[ $rounds =~ ^[1-9][0-9]*$ ]] || die "--rounds $rounds: want at least 1"
[[ $steps =~ ^[1-9][0-9]*$ ]] || die "--steps $steps: want at least 1"
[[ $runs =~ ^[0-9]+$ ]] || die "--runs $runs: want a number, 0 for the default"

# restrict gives both sides the same instructions.
restrict() {
  local mkl=""
  case $isa in
    "") return ;;
    amx) export ONEDNN_MAX_CPU_ISA=AVX512_CORE_AMX ;;
    avx512_bf16) export ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 ;;
    avx512) export ONEDNN_MAX_CPU_ISA=AVX512_CORE mkl=AVX512 ;;
    avx2) export ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 mkl=AVX2 ;;
    portable) note "the peers cannot be held to portable code: they run with all instructions" ;;
    *) die "--isa $isa: want portable, avx2, avx512, avx512_bf16 or amx" ;;
  esac
  export LDM_ISA=$isa
  [ -z "$mkl" ] || export MKL_ENABLE_INSTRUCTIONS=$mkl
}

# has tells whether the environment can import some modules.
has() { [ -x "$env/bin/python" ] && "$env/bin/python" -c "import $1" >/dev/null 2>&1; }

# provide NAME MODULES PACKAGE... installs what is missing, or notes that it cannot.
provide() {
  local name=$1 modules=$2; shift 2
  has "$modules" && return
  if [ ! -x "$env/bin/python" ]; then
    command -v python3 >/dev/null || { note "$name is left out: there is no python3"; return 1; }
    python3 -m venv "$env" >&2 || { note "$name is left out: python3 cannot make a virtual environment"; return 1; }
  fi
  echo "run.sh: installing $name" >&2
  "$env/bin/python" -m pip install --quiet "$@" >&2
  has "$modules" || { note "$name is left out: pip install $* did not provide it"; return 1; }
}

version() { "$env/bin/python" -c "import $1; print($1.__version__)" 2>/dev/null; }

header() {
  local flags="" f sides="ldm"
  for f in avx2 avx512f avx512_bf16 amx_bf16; do
    grep -qw "$f" /proc/cpuinfo 2>/dev/null && flags+=" $f"
  done
  for f in "${peers[@]}"; do
    case $f in
      torch) sides+=", PyTorch $(version torch)${compile:+ compiled} with diffusers $(version diffusers)" ;;
      openvino) sides+=", OpenVINO $(version openvino)" ;;
    esac
  done
  echo "$(date -u +%Y-%m-%d): $(lscpu 2>/dev/null | sed -n 's/^Model name: *//p' | head -n 1), $(nproc 2>/dev/null || echo '?') processors, flags:${flags:- none}; instructions: ${isa:-all}"
  echo
  echo "$sides, $(go version | cut -d' ' -f3); seconds are medians."
  echo
  local top="| work | precision | threads | ldm s | first | ldm MiB |" rule="|---|---|--:|--:|--:|--:|"
  for f in "${peers[@]}"; do
    top+=" $f s | ratio | first | ratio | $f MiB |" rule+="--:|--:|--:|--:|--:|"
  done
  echo "$top"; echo "$rule"
}

# is_task tells whole tasks from single networks.
is_task() { [[ " txt2img upscale inpaint " = *" $1 "* ]]; }

# task_model SIDE WORK prints the model of a side, and makes it where it is not there.
task_model() {
  local folder=$models/$2
  if [ ! -e "$folder/model_index.json" ]; then
    "$env/bin/python" "$root/bench/peers/task.py" make "$2" "$folder" >&2 || return 1
  fi
  case $1:$2 in
    ldm:upscale) echo "$folder.safetensors" ;; # which ldm writes; diffusers names it otherwise
    openvino:*)
      [ -e "$folder-ov/model_index.json" ] ||
        "$env-export/bin/python" "$root/bench/peers/task.py" make-ov "$2" "$folder" "$folder-ov" >&2 || return 1
      echo "$folder-ov" ;;
    *) echo "$folder" ;;
  esac
}

# one_task SIDE TASK PRECISION THREADS is one for a whole task.
one_task() {
  local model mode=$3-cl
  model=$(task_model "$1" "$2") || return 1
  [ "$1" = openvino ] && mode=$3-ov
  case $1 in
    ldm) "$bin" bench "$2" --model "$model" --precision "$3" --threads "$4" --runs "$runs" --steps "$steps" ;;
    *) "$env/bin/python" "$root/bench/peers/task.py" "$2" "$mode" "$4" "$model" --runs "$runs" --steps "$steps" ;;
  esac
}

# one SIDE WORK PRECISION THREADS runs one side once and prints its line.
one() {
  is_task "$2" && { one_task "$@"; return; }
  case $1 in
    ldm) "$bin" bench "$2" --precision "$3" --threads "$4" --runs "$runs" ;;
    torch) "$env/bin/python" "$root/bench/peers/peer.py" "$2" "$3-cl$compile" "$4" --runs "$runs" ;;
    openvino) "$env/bin/python" "$root/bench/peers/peer.py" "$2" "$3-ov" "$4" --runs "$runs" ;;
  esac
}

# middle prints the (lower) median of the values of a field, as in median=1.2s, or a dash.
middle() {
  sed -n "s/.* $1=\([0-9.]*\).*/\1/p" "$2" 2>/dev/null | sort -g | awk '{v[NR] = $1} END {print NR ? v[int((NR + 1) / 2)] : "-"}'
}

ratio() { awk -v a="$1" -v b="$2" 'BEGIN {if (a > 0 && b > 0) printf "%.2f", b / a; else print "-"}'; }

# compare WORK PRECISION THREADS measures all sides and prints a row.
compare() {
  local side k line own
  rm -f "$tmp"/lines.*
  for ((k = 0; k < rounds; k++)); do
    for side in ldm "${peers[@]}"; do
      [[ $side = openvino && ($1 = *_train || $1 = upscale) ]] && continue
      if line=$(one "$side" "$@" 2>"$tmp/stderr" | tail -n 1) && [[ $line = *median=* ]]; then
        echo "$line" | tee -a "$tmp/lines.$side" >&2
      else
        line=$(tail -n 1 "$tmp/stderr" | cut -c1-200)
        note "$side, $*: ${line:-failed without a word}"
      fi
    done
  done
  own=$(middle median "$tmp/lines.ldm")
  local first theirs begins row
  first=$(middle first "$tmp/lines.ldm")
  row="| $1 | $2 | $3 | $own | $first | $(middle peak "$tmp/lines.ldm") |"
  for side in "${peers[@]}"; do
    theirs=$(middle median "$tmp/lines.$side") begins=$(middle first "$tmp/lines.$side")
    row+=" $theirs | $(ratio "$own" "$theirs") | $begins | $(ratio "$first" "$begins") | $(middle peak "$tmp/lines.$side") |"
  done
  echo "$row"
}

restrict
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE # settings for other programs, which slow NumPy's library down
tmp=$(mktemp -d) || die "no temporary folder"
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
bin=$tmp/ldm
(cd "$root" && go build -o "$bin" ./cmd/ldm) || die "ldm does not build"

peers=()
if provide PyTorch torch,diffusers torch diffusers transformers; then
  peers+=(torch)
  # OpenVINO converts PyTorch's models.
  if [ $openvino = yes ] && provide OpenVINO openvino openvino; then
    peers+=(openvino)
    [[ " $works " = *" txt2img "* || " $works " = *" inpaint "* ]] &&
      provide "OpenVINO GenAI" openvino_genai openvino-genai openvino-tokenizers &&
      env=$env-export provide "the export to OpenVINO" optimum.exporters.openvino,openvino_tokenizers,diffusers optimum-intel openvino-tokenizers 'diffusers<0.37' 'huggingface-hub<1' torch
  fi
fi

header
for work in $works; do
  for precision in $precisions; do
    for n in $threads; do
      compare "$work" "$precision" "$n"
    done
  done
done
[ ${#notes[@]} = 0 ] || printf '\n* %s' "${notes[@]}"
echo
