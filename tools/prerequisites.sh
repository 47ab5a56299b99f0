#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the system packages that building or testing needs, if they are missing.
# Usage: prerequisites.sh build|test
set -euo pipefail

for command in go cargo; do
  command -v "$command" >/dev/null || {
    echo "$command was not found: install Go 1.26 and Rust 1.95 (rustup) first" >&2
    exit 1
  }
done

# Clippy's lints and the engine's language version change with the toolchain.
rust_version=$(cargo --version | cut -d' ' -f2)
[[ $rust_version == 1.95.* ]] ||
  echo "note: Rust $rust_version was found; otapbridge is built and checked with 1.95" >&2
go_version=$(go env GOVERSION)
[[ $go_version == go1.2[6-9]* || $go_version == go1.[3-9][0-9]* ]] || {
  echo "$go_version was found: otapbridge needs Go 1.26" >&2
  exit 1
}

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
