#!/usr/bin/env bash
# Names what is missing in one line that says what to install. Usage: prerequisites.sh python|java
set -euo pipefail

missing() {
  echo "missing: $1" >&2
  exit 2
}

case "${1:?python or java}" in
  python)
    python="${PYTHON:-python3}"
    command -v "$python" >/dev/null || missing "python3: install Python 3.11 or newer"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || missing "Python 3.11 or newer ($("$python" --version) found): install it and set PYTHON="
    "$python" -c 'import venv, ensurepip' 2>/dev/null || missing "Python's venv module: install it (Debian: python3-venv)"
    ;;
  java)
    command -v java >/dev/null || missing "java: install a Java 17 runtime (Debian: openjdk-17-jre-headless)"
    version="$(java -version 2>&1 | sed -nE 's/.*version "([0-9]+).*/\1/p' | head -n 1)"
    [ "${version:-0}" -ge 17 ] || missing "Java 17 or newer (version ${version:-unknown} found): install openjdk-17-jre-headless"
    command -v mvn >/dev/null || missing "mvn: install Maven (Debian: maven)"
    ;;
esac
