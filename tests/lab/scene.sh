#!/bin/sh
# Runs one scenario of the kernel lab by its name; without a name it lists them all. Pictures of each
# step and logs are left in target/lab/NAME.
exec "$(dirname "$0")/run.sh" "${1:-?}"
