#!/bin/sh
# Make or update an environment: one make at a time, and never left half made.
# make_venv.sh VENV PYTHON READY [arguments of pip install]
set -eu
venv=$1 python=$2 ready=$3
shift 3

exec 9>"$venv.lock"
if command -v flock >/dev/null && ! flock --nonblock 9; then
    echo "Another make is at work on $venv; waiting for it."
    flock 9
fi

rm -rf "$venv.gone"
# What was killed while it was at work may look whole to pip: it is made anew.
if [ -e "$venv/.building" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    echo "Making $venv: a few minutes, once."
    # Removed under another name: half of it is never taken for all.
    [ ! -e "$venv" ] || mv "$venv" "$venv.gone"
    rm -rf "$venv.gone"
    mkdir "$venv"
    touch "$venv/.building"
    "$python" -m venv "$venv"
else
    echo "Updating $venv."
    touch "$venv/.building"
    # Not ready for the other targets either, until all is in its place.
    [ ! -e "$venv/.ready" ] || mv "$venv/.ready" "$venv/.was-ready"
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
[ ! -e "$venv/.was-ready" ] || mv "$venv/.was-ready" "$venv/.ready"
rm "$venv/.building"
touch "$ready"
