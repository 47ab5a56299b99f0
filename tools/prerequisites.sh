#!/usr/bin/env bash
# Installs the system packages that building or testing needs, if they are missing.
# Usage: prerequisites.sh build|test
set -euo pipefail

for command in go cargo; do
  command -v "$command" >/dev/null || {
    echo "$command was not found: install Go 1.26 and Rust 1.95 (rustup) first" >&2
    exit 1
  }
done

# command:package
needed=(gcc:gcc ld:binutils python3:python3)
if [[ ${1:?build or test} == test ]]; then
  needed+=(g++:g++ pkg-config:pkg-config valgrind:valgrind)
fi

packages=()
for pair in "${needed[@]}"; do
  command -v "${pair%%:*}" >/dev/null || packages+=("${pair##*:}")
done
if [[ $1 == test ]] && ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
  packages+=(python3-venv)
fi
for component in rustfmt clippy; do
  cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 || rustup component add "$component"
done
((${#packages[@]})) || exit 0

command -v apt-get >/dev/null || {
  echo "please install: ${packages[*]}" >&2
  exit 1
}
as_root=()
((EUID == 0)) || as_root=(sudo)
printf '\n==> Installing %s\n' "${packages[*]}"
"${as_root[@]}" apt-get update --quiet
"${as_root[@]}" apt-get install --quiet --yes --no-install-recommends "${packages[@]}"
