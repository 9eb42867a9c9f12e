#!/bin/sh
# Runs setup.py with the first Python that is new enough, or with PYTHON=/path/to/python3.
set -eu
for python in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3}; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        exec "$python" "$(dirname "$0")/setup.py" "$@"
    fi
done
echo "Parley needs Python 3.11 or newer, and none was found." >&2
echo "On Debian or Ubuntu:  sudo apt-get install python3 python3-venv" >&2
echo "Or name yours:        make serve PYTHON=/path/to/python3" >&2
exit 2
