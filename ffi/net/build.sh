#!/bin/sh
# Builds build/libomerta_net.so. Needs Go (the version of go.mod or later) and a C compiler.
set -eu
cd "$(dirname "$0")"
mkdir -p ../../build
exec go build -trimpath -ldflags='-s -w' -buildmode=c-shared -o ../../build/libomerta_net.so .
