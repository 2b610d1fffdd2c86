#!/bin/sh
# Names what a machine lacks, in one line that says what to install. Prints the Python to use.
# Usage: prerequisites.sh python|java|maven|tests
set -eu

missing() {
    echo "missing: $1" >&2
    exit 2
}

find_python() {
    for name in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            echo "$name"
            return 0
        fi
    done
    missing "Python 3.11 or newer${PYTHON:+ (PYTHON=$PYTHON is not one)}: install it (Debian: apt install python3 python3-venv), or say where it is: make PYTHON=/path/to/python3"
}

need_python() {
    python=$(find_python)
    "$python" -c 'import venv, ensurepip' >/dev/null 2>&1 ||
        missing "Python's venv module: install it (Debian: apt install python3-venv)"
    echo "$python"
}

need_java() {
    command -v java >/dev/null 2>&1 ||
        missing "Java 17 or newer, which the tests' Kafka runs on: install it (Debian: apt install openjdk-17-jre-headless)"
    version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${version:-0}" -ge 17 ] ||
        missing "Java 17 or newer, found ${version:-an unknown version}: install it (Debian: apt install openjdk-17-jre-headless)"
}

need_maven() {
    command -v mvn >/dev/null 2>&1 ||
        missing "Maven, which fetches the tests' Kafka once: install it (Debian: apt install maven)"
}

case "${1:-}" in
    python) need_python ;;
    java) need_java ;;
    maven) need_maven ;;
    tests) need_java && need_maven ;;
    *) echo "usage: $0 python|java|maven|tests" >&2; exit 2 ;;
esac
